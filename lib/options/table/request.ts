import { flag, flagOr, names, object, ofRoom, size, text, word } from '../readers.ts'
import { readRows } from '../read.ts'
import { row, type Rows, type Values } from '../row.ts'

const SETS = ['cgi', 'nginx', 'minimal', false] as const

export const REQUEST_BUFFERING = {
  memory: row(size(), { default: '16k', directives: ['client_body_buffer_size'], doc: 'bytes of a body held in memory; what is longer goes to a temporary file' }),
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
  params: row(ofRoom(['object']), { otherwise: 'none', directives: ['scgi_param'], doc: 'parameters over those of `defaultParams`' }),
  defaultParams: row(word(SETS), { default: 'cgi', doc: 'the set of parameters to begin with' }),
  maxParamsSize: row(size(), { otherwise: "2000 with `'minimal'`, else none", doc: 'largest header block; a longer one is refused with 431' }),
  passRequestHeaders: row(flagOr(names(), 'true, false or a list of header names'), {
    otherwise: "true; false with `'minimal'`",
    directives: ['scgi_pass_request_headers'],
    doc: 'send the request headers as HTTP_*: all, none, or those of the list',
  }),
  underscoresInHeaders: row(flag, { default: false, directives: ['underscores_in_headers'], doc: 'pass headers with an underscore in their name' }),
  encodedSlashes: row(word(['decode', 'keep', 'refuse']), {
    default: 'decode', directives: ['Apache: AllowEncodedSlashes'], doc: 'what `%2F` in a path is: a slash, itself, or a reason to refuse',
  }),
  mergeSlashes: row(flag, { default: true, directives: ['merge_slashes'], doc: 'repeated slashes in a path are one' }),
  requestBuffering: row(
    flagOr(object(REQUEST_BUFFERING, 'true, false or { memory, tempPath }'), 'true, false or { memory, tempPath }'), {
      default: true, directives: ['scgi_request_buffering'], doc: 'collect the request body before a server is chosen',
    }),
} satisfies Rows

export const forwarded = row(word(['set', 'pass', 'drop']), {
  default: 'set', doc: 'X-Forwarded-For, -Host and -Proto: set from what Fastify knows, passed as the client sent them, or dropped',
})

export const passRequestBody = row(flag, { default: true, directives: ['scgi_pass_request_body'], doc: 'send the request body' })
