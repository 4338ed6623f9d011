import { flag, names, ofRoom, size, text, word } from '../readers.ts'
import { row, type Rows } from '../row.ts'
import { bufferSize } from './connections.ts'

export const TEMP_PATH = {
  path: row(ofRoom(['text']), { required: true, doc: 'the directory' }),
  levels: row(ofRoom(['list']), { otherwise: 'none', doc: 'up to three levels of directories below it, as numbers of digits' }),
} satisfies Rows

export const BUFFERING = {
  enabled: row(flag, { default: true, directives: ['scgi_buffering'], doc: 'as the boolean' }),
  bufferSize,
  buffers: row(ofRoom(['list']), {
    default: [8, '8k'], directives: ['scgi_buffers'], doc: 'number and size: a reply holds `bufferSize` and all of these in memory',
  }),
  busyBuffersSize: row(size(), {
    otherwise: '16k, or two buffers', directives: ['scgi_busy_buffers_size'], doc: 'bytes handed to the client and not sent yet; at least one buffer',
  }),
  maxTempFileSize: row(size(), {
    otherwise: '1g',
    directives: ['scgi_max_temp_file_size'],
    doc: 'most bytes of a reply in its file; 0 for no file; what is cached or stored is not bound by it',
  }),
  tempFileWriteSize: row(size(), {
    otherwise: '16k, or two buffers', directives: ['scgi_temp_file_write_size'], doc: 'most bytes in one write to it; at least one buffer',
  }),
  tempPath: row(ofRoom(['text', 'object'], TEMP_PATH), {
    otherwise: "our own, mode 0700, below the system's", directives: ['scgi_temp_path'], doc: 'directory of the files, or `{ path, levels }`',
  }),
  tempTotalSize: row(size(), { otherwise: 'without limit', doc: 'most bytes in the files of all replies of the mount; 0 for no file' }),
} satisfies Rows

export const SENDFILE = {
  header: row(ofRoom(['header']), { default: 'X-Sendfile', doc: 'header of the reply that names the file; the client does not get it' }),
  root: row(ofRoom(['text', 'names']), { required: true, doc: 'directory, or directories, below which files may be sent' }),
} satisfies Rows

export const STORE = {
  root: row(text(/^[^\0]+$/, 'the path of a directory'), { required: true, doc: 'directory of the files, made when it is missing' }),
  path: row(ofRoom(['text', 'function']), { otherwise: 'the decoded PATH_INFO', doc: 'path of the file below the root, or a function of the request' }),
  access: row(ofRoom(['text', 'number']), { default: 'user:rw', directives: ['scgi_store_access'], doc: 'rights of the file, as words or a mode' }),
  methods: row(ofRoom(['names']), { otherwise: 'GET', doc: 'methods whose replies are stored' }),
} satisfies Rows

/** How the reply is read, and how it goes to the client. */
export const SENDING = {
  buffering: row(ofRoom(['flag', 'object'], BUFFERING), {
    default: true, directives: ['scgi_buffering'], doc: 'read the reply ahead of a client that is slower than the application',
  }),
  limitRate: row(ofRoom(['size', 'function']), {
    default: 0, directives: ['scgi_limit_rate'], doc: 'bytes a second read from the application, while `buffering` is on; 0 is without limit',
  }),
  clientLimitRate: row(ofRoom(['size', 'function']), {
    default: 0, directives: ['limit_rate'], doc: 'bytes a second sent to the client; X-Accel-Limit-Rate overrides it; 0 is without limit',
  }),
  clientLimitRateAfter: row(size(), { default: 0, directives: ['limit_rate_after'], doc: 'bytes sent to the client before `clientLimitRate` begins' }),
  forceRanges: row(flag, { default: false, directives: ['scgi_force_ranges'], doc: 'cut ranges out of replies whose application does not' }),
  ignoreClientAbort: row(flag, { default: false, directives: ['scgi_ignore_client_abort'], doc: 'let the application finish when the client has gone' }),
  earlyHints: row(flag, {
    otherwise: 'those of HTTP servers, and not those of SCGI servers', doc: 'hand informational replies on: [early hints](response.md#early-hints)',
  }),
  upgrade: row(flag, { default: true, doc: 'pass on a GET that asks for another protocol (WebSocket)' }),
} satisfies Rows

/** What becomes of a reply instead of being sent. */
export const ANSWERS = {
  interceptErrors: row(word([true, false, 'handler'], "true, false or 'handler'"), {
    default: false, directives: ['scgi_intercept_errors'], doc: "replace the application's replies of status 300 and more by `errorPages`",
  }),
  errorPages: row(ofRoom(['object']), { otherwise: 'none', directives: ['error_page'], doc: 'what answers instead of an error, by status' }),
  recursiveErrorPages: row(flag, { default: false, directives: ['recursive_error_pages'], doc: 'an error page that fails has an error page again' }),
  internalRedirect: row(ofRoom(['flag', 'header']), {
    default: true, directives: ['ProxySCGIInternalRedirect'], doc: 'follow a `Location`, or the header named here, that is a path',
  }),
  sendfile: row(ofRoom(['object', 'flag'], SENDFILE), {
    default: false, directives: ['ProxySCGISendfile'], doc: 'send the file that the reply names in a header instead of its body',
  }),
  store: row(ofRoom(['object', 'flag'], STORE), { default: false, directives: ['scgi_store'], doc: 'keep replies as files' }),
} satisfies Rows

/** Headers of the reply. */
export const HEADERS = {
  hideHeaders: row(names(), { default: [], otherwise: 'none', directives: ['scgi_hide_header'], doc: 'headers of the reply that the client does not get' }),
  passHeaders: row(names(), {
    default: [], otherwise: 'none', directives: ['scgi_pass_header'], doc: 'headers that the client gets although they are hidden by default',
  }),
  ignoreHeaders: row(ofRoom(['names']), { otherwise: 'none', directives: ['scgi_ignore_headers'], doc: 'headers of the reply that have no effect on the gateway' }),
  preserveHeaderCase: row(flag, { default: false, doc: 'send the header names of the reply as the application wrote them' }),
} satisfies Rows

export const HOOKS = {
  rewriteRequestHeaders: row(ofRoom(['function']), { otherwise: 'none', doc: 'gets the request headers and returns those to send' }),
  rewriteHeaders: row(ofRoom(['function']), { otherwise: 'none', doc: "gets the reply's headers and returns those for the client" }),
  onResponse: row(ofRoom(['function']), { otherwise: 'none', doc: "called when the reply's head is there, instead of sending it" }),
  onError: row(ofRoom(['function']), { otherwise: 'none', doc: "called instead of Fastify's error handler when no server gave a reply" }),
} satisfies Rows
