import { count, flag, ofRoom, size, text, time, word } from '../readers.ts'
import { row, type Rows } from '../row.ts'
import { bind, bufferSize, CONNECTION, nextUpstream } from './connections.ts'
import { PARAMETERS } from './request.ts'

/** Of `new ScgiDispatcher()`. */
export const DISPATCHER = {
  ...PARAMETERS,
  forwarded: row(word(['pass', 'drop']), { default: 'pass', doc: 'pass or drop X-Forwarded-* among the request headers' }),
  scriptName: row(text(/^(?:\/[^\0?#]*[^\0?#/])?$/, "'', or a path that begins with '/' and does not end in one"), {
    default: '', doc: 'part of the path that is SCRIPT_NAME; PATH_INFO is the rest',
  }),
  bind,
  ...CONNECTION,
  bufferSize,
  nextUpstream,
} satisfies Rows

/** Of `new ScgiClient()`. */
export const CLIENT = {
  ...CONNECTION,
  bufferSize,
  keepalive: row(count(), { default: 0, doc: 'idle connections to keep, if the server supports it' }),
  preconnect: row(count(), { default: 0, doc: 'connections to open in advance, at most 2 s old' }),
  bind,
} satisfies Rows

const UNLIMITED = 'a whole number, 0 for no limit'

/** Of `createScgiServer` and `scgiServerFactory`. */
export const SERVER_SIDE = {
  nph: row(flag, { default: false, doc: 'start a reply with `HTTP/1.1 200 OK` instead of `Status: 200 OK`' }),
  trustGateway: row(flag, { default: true, doc: "take the client's address and TLS in `request.socket` from REMOTE_ADDR, REMOTE_PORT and HTTPS" }),
  keepalive: row(flag, { default: true, doc: 'keep the connection for the next request if the gateway asks for it' }),
  keepAliveTimeout: row(time(), { default: '5s', doc: 'how long a kept connection may be idle; 0 means no limit' }),
  maxRequestsPerSocket: row(count(0, UNLIMITED), { default: 0, doc: 'maximum number of requests per connection; 0 means no limit' }),
  maxParamsSize: row(size(1, 'at least 1 byte'), { default: '64k', doc: 'maximum size of the parameters of a request; more is answered with 431' }),
  headersTimeout: row(time(), { default: '60s', doc: 'time in which the parameters of a request must arrive, then 408; 0 means no limit' }),
  requestTimeout: row(time(), { default: 0, doc: 'time in which the whole request must arrive, parameters and body, then 408; 0 means no limit' }),
  timeout: row(time(), { default: 0, doc: "inactivity after which a socket emits 'timeout'; 0 means no limit" }),
} satisfies Rows

/** Of `fastify-scgi/accel`. */
export const ACCEL = {
  trust: row(ofRoom(['function']), { required: true, doc: 'function of request and reply that says whether to obey the headers of the reply' }),
  redirectTo: row(ofRoom(['names']), { otherwise: 'X-Accel-Redirect is ignored', doc: 'allowed targets of X-Accel-Redirect: beginnings of paths, and names of `locations`' }),
  locations: row(ofRoom(['object']), { otherwise: 'none', doc: 'named locations, for `X-Accel-Redirect: @name`' }),
  root: row(ofRoom(['text', 'names']), { otherwise: 'X-Sendfile is ignored', doc: 'directories whose files X-Sendfile may name' }),
  sendfileHeader: row(ofRoom(['header']), { default: 'X-Sendfile', doc: 'header that names a file' }),
} satisfies Rows
