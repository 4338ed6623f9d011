import { flag, names, ofRoom, size, text, word } from '../readers.ts'
import { row, type Rows } from '../row.ts'
import { bufferSize } from './connections.ts'

export const TEMP_PATH = {
  path: row(ofRoom(['text']), { required: true, doc: 'directory' }),
  levels: row(ofRoom(['list']), { otherwise: 'none', doc: 'up to three levels of subdirectories, as numbers of digits' }),
} satisfies Rows

export const BUFFERING = {
  enabled: row(flag, { default: true, directives: ['scgi_buffering'], doc: 'same as `true` or `false` instead of the object' }),
  bufferSize,
  buffers: row(ofRoom(['list']), {
    default: [8, '8k'], directives: ['scgi_buffers'], doc: 'number and size of the further buffers; a reply uses at most `bufferSize` and all of these in memory',
  }),
  busyBuffersSize: row(size(), {
    otherwise: '16k, or two buffers', directives: ['scgi_busy_buffers_size'], doc: 'bytes that wait to be sent to the client; at least one buffer',
  }),
  maxTempFileSize: row(size(), {
    otherwise: '1g',
    directives: ['scgi_max_temp_file_size'],
    doc: 'maximum size of the temporary file of a reply; 0 for no file; does not apply to replies that are cached or stored',
  }),
  tempFileWriteSize: row(size(), {
    otherwise: '16k, or two buffers', directives: ['scgi_temp_file_write_size'], doc: 'maximum size of a write to the file; at least one buffer',
  }),
  tempPath: row(ofRoom(['text', 'object'], TEMP_PATH), {
    otherwise: "our own, mode 0700, below the system's", short: ['path'], directives: ['scgi_temp_path'], doc: 'directory of the temporary files, or `{ path, levels }`',
  }),
  tempTotalSize: row(size(), { otherwise: 'no limit', doc: 'maximum size of the temporary files of all replies of the mount together; 0 for no file' }),
} satisfies Rows

export const SENDFILE = {
  header: row(ofRoom(['header']), { default: 'X-Sendfile', doc: 'header that names the file; it is not sent to the client' }),
  root: row(ofRoom(['text', 'names']), { required: true, doc: 'directory or directories whose files may be sent' }),
} satisfies Rows

export const STORE = {
  root: row(text(/^[^\0]+$/, 'the path of a directory'), { required: true, doc: 'directory of the files; created if it does not exist' }),
  path: row(ofRoom(['text', 'function']), { otherwise: 'the decoded PATH_INFO', doc: 'path of the file below `root`, or a function of the request' }),
  access: row(ofRoom(['text', 'number']), { default: 'user:rw', directives: ['scgi_store_access'], doc: 'permissions of the file, as words or a mode' }),
  methods: row(ofRoom(['names']), { otherwise: 'GET', doc: 'methods whose replies are stored' }),
} satisfies Rows

/** How the reply is read and sent to the client. */
export const SENDING = {
  buffering: row(ofRoom(['flag', 'object'], BUFFERING), {
    default: true, directives: ['scgi_buffering'], doc: 'buffer the reply if the client is slower than the application',
  }),
  limitRate: row(ofRoom(['size', 'function']), {
    default: 0, directives: ['scgi_limit_rate'], doc: 'bytes per second read from the application; needs `buffering`; 0 means no limit',
  }),
  clientLimitRate: row(ofRoom(['size', 'function']), {
    default: 0, directives: ['limit_rate'], doc: 'bytes per second sent to the client; X-Accel-Limit-Rate overrides it; 0 means no limit',
  }),
  clientLimitRateAfter: row(size(), { default: 0, directives: ['limit_rate_after'], doc: 'bytes sent to the client before `clientLimitRate` applies' }),
  forceRanges: row(flag, { default: false, directives: ['scgi_force_ranges'], doc: 'answer Range requests if the application does not' }),
  ignoreClientAbort: row(flag, { default: false, directives: ['scgi_ignore_client_abort'], doc: 'let the application finish if the client disconnects' }),
  earlyHints: row(flag, {
    otherwise: 'from HTTP servers only', doc: 'pass on informational replies: [early hints](response.md#early-hints)',
  }),
  upgrade: row(flag, { default: true, doc: 'pass on a GET that asks for another protocol, such as WebSocket' }),
} satisfies Rows

/** What is done with a reply instead of sending it. */
export const ANSWERS = {
  interceptErrors: row(word([true, false, 'handler'], "true, false or 'handler'"), {
    default: false, directives: ['scgi_intercept_errors'], doc: 'replace replies with status 300 and above by `errorPages`',
  }),
  errorPages: row(ofRoom(['object']), { otherwise: 'none', directives: ['error_page'], doc: 'what to send instead of an error, by status' }),
  recursiveErrorPages: row(flag, { default: false, directives: ['recursive_error_pages'], doc: 'apply `errorPages` to error pages that fail, too' }),
  internalRedirect: row(ofRoom(['flag', 'header']), {
    default: true, directives: ['ProxySCGIInternalRedirect'], doc: 'answer a reply whose `Location` (or the header named here) is a path with the route of that path',
  }),
  sendfile: row(ofRoom(['object', 'flag'], SENDFILE), {
    default: false, directives: ['ProxySCGISendfile'], doc: 'send the file named in a header of the reply instead of its body',
  }),
  store: row(ofRoom(['object', 'flag'], STORE), { default: false, directives: ['scgi_store'], doc: 'save replies as files' }),
} satisfies Rows

/** Headers of the reply. */
export const HEADERS = {
  hideHeaders: row(names(), { default: [], otherwise: 'none', directives: ['scgi_hide_header'], doc: 'reply headers not to send to the client' }),
  passHeaders: row(names(), {
    default: [], otherwise: 'none', directives: ['scgi_pass_header'], doc: 'reply headers to send although they are hidden by default',
  }),
  ignoreHeaders: row(ofRoom(['names']), { otherwise: 'none', directives: ['scgi_ignore_headers'], doc: 'reply headers that the gateway does not act on' }),
  preserveHeaderCase: row(flag, { default: false, doc: 'send header names as the application wrote them' }),
} satisfies Rows

export const HOOKS = {
  rewriteRequestHeaders: row(ofRoom(['function']), { otherwise: 'none', doc: 'function of the request headers that returns those to send' }),
  rewriteHeaders: row(ofRoom(['function']), { otherwise: 'none', doc: 'function of the reply headers that returns those for the client' }),
  onResponse: row(ofRoom(['function']), { otherwise: 'none', doc: 'called with the reply instead of sending it' }),
  onError: row(ofRoom(['function']), { otherwise: 'none', doc: "called instead of Fastify's error handler if no server has replied" }),
} satisfies Rows
