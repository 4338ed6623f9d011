import { count, flag, ofRoom, size, text, time, word } from '../readers.ts'
import { row, type Rows } from '../row.ts'
import { bind, bufferSize, CONNECTION, nextUpstream } from './connections.ts'
import { PARAMETERS } from './request.ts'

/** Of `new ScgiDispatcher()`. */
export const DISPATCHER = {
  ...PARAMETERS,
  forwarded: row(word(['pass', 'drop']), { default: 'pass', doc: "X-Forwarded-* among the request headers: they are the caller's own" }),
  scriptName: row(text(/^(?:\/[^\0?#]*[^\0?#/])?$/, "'', or a path that begins with '/' and does not end in one"), {
    default: '', doc: 'part of the path that belongs to the mount; PATH_INFO is what follows it',
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
  keepalive: row(count(), { default: 0, doc: 'idle connections kept for reuse, where the server agrees to it' }),
  preconnect: row(count(), { default: 0, doc: 'connections opened ahead of the requests, at most 2 s old' }),
  bind,
} satisfies Rows

const UNLIMITED = 'a whole number, 0 for no limit'

/** Of `createScgiServer` and `scgiServerFactory`. */
export const SERVER_SIDE = {
  nph: row(flag, { default: false, doc: 'begin a reply with `HTTP/1.1 200 OK` instead of `Status: 200 OK`' }),
  trustGateway: row(flag, { default: true, doc: 'let REMOTE_ADDR, REMOTE_PORT and HTTPS decide what `request.socket` says of the client' }),
  keepalive: row(flag, { default: true, doc: 'keep the connection for the next request where the gateway asks for it' }),
  keepAliveTimeout: row(time(), { default: '5s', doc: 'how long a kept connection may be idle; 0 is without limit' }),
  maxRequestsPerSocket: row(count(0, UNLIMITED), { default: 0, doc: 'requests served on one connection; 0 is without limit' }),
  maxParamsSize: row(size(1, 'at least 1 byte'), { default: '64k', doc: 'largest parameter block of a request; a longer one is answered with 431' }),
  headersTimeout: row(time(), { default: '60s', doc: 'time for the parameters of a request to arrive, then 408; 0 is without limit' }),
  requestTimeout: row(time(), { default: 0, doc: 'time for the whole request to arrive, then 408; 0 is without limit' }),
  timeout: row(time(), { default: 0, doc: "inactivity after which a socket emits 'timeout'; 0 is without limit" }),
} satisfies Rows

/** Of `fastify-scgi/accel`. */
export const ACCEL = {
  trust: row(ofRoom(['function']), { required: true, doc: 'whose replies may steer: a function of request and reply' }),
  redirectTo: row(ofRoom(['names']), { otherwise: 'X-Accel-Redirect is not obeyed', doc: 'where X-Accel-Redirect may lead: beginnings of paths, and names of `locations`' }),
  locations: row(ofRoom(['object']), { otherwise: 'none', doc: 'named locations, for `X-Accel-Redirect: @name`' }),
  root: row(ofRoom(['text', 'names']), { otherwise: 'X-Sendfile is not obeyed', doc: 'directories below which X-Sendfile may name files' }),
  sendfileHeader: row(ofRoom(['header']), { default: 'X-Sendfile', doc: 'the header that names a file' }),
} satisfies Rows
