import { flag, flagOr, names, object, ofRoom, size, text, word } from '../readers.ts'
import { readRows } from '../read.ts'
import { row, type Rows, type Values } from '../row.ts'

const SETS = ['cgi', 'nginx', 'minimal', false] as const

export const REQUEST_BUFFERING = {
  memory: row(size(), { default: '16k', directives: ['client_body_buffer_size'], doc: 'bytes of a body kept in memory; a longer body goes to a temporary file' }),
  tempPath: row(text(/^/, 'a directory'), {
    otherwise: "our own, mode 0700, below the system's", directives: ['client_body_temp_path'], doc: 'directory of the temporary files',
  }),
} satisfies Rows

/** Where a body is collected. */
export function spoolOf (given: boolean | Values<typeof REQUEST_BUFFERING>): Values<typeof REQUEST_BUFFERING> {
  return typeof given === 'boolean' ? readRows(REQUEST_BUFFERING, {}, 'requestBuffering') : given
}

/** What of a request is sent, whoever sends it. */
export const PARAMETERS = {
  params: row(ofRoom(['object']), { otherwise: 'none', directives: ['scgi_param'], doc: 'parameters to add, or to replace those of `defaultParams`' }),
  defaultParams: row(word(SETS), { default: 'cgi', doc: 'set of parameters to start from' }),
  maxParamsSize: row(size(), { otherwise: "2000 with `'minimal'`, else none", doc: 'maximum size of the header block; a larger one is refused with 431' }),
  passRequestHeaders: row(flagOr(names(), 'true, false or a list of header names'), {
    otherwise: "true; false with `'minimal'`",
    directives: ['scgi_pass_request_headers'],
    doc: 'send request headers as HTTP_*: all, none, or those in the list',
  }),
  underscoresInHeaders: row(flag, { default: false, directives: ['underscores_in_headers'], doc: 'pass on headers with an underscore in their name' }),
  encodedSlashes: row(word(['decode', 'keep', 'refuse']), {
    default: 'decode', directives: ['Apache: AllowEncodedSlashes'], doc: 'how to treat `%2F` in a path: decode it to a slash, keep it, or refuse the request',
  }),
  mergeSlashes: row(flag, { default: true, directives: ['merge_slashes'], doc: 'merge repeated slashes in a path into one' }),
  requestBuffering: row(
    flagOr(object(REQUEST_BUFFERING, 'true, false or { memory, tempPath }'), 'true, false or { memory, tempPath }'), {
      default: true, directives: ['scgi_request_buffering'], doc: 'read the whole request body before a server is chosen',
    }),
} satisfies Rows

export const forwarded = row(word(['set', 'pass', 'drop']), {
  default: 'set', doc: 'X-Forwarded-For, -Host and -Proto: set from what Fastify knows, pass as the client sent them, or drop',
})

export const passRequestBody = row(flag, { default: true, directives: ['scgi_pass_request_body'], doc: 'send the request body' })
