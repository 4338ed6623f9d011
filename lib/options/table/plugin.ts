import { flag, ofRoom, size, text, time, word } from '../readers.ts'
import { row, type Rows } from '../row.ts'
import { CACHE } from './cache.ts'
import { bind, CLIENT_TIMES, CONNECTION, nextUpstream, RESOLVER } from './connections.ts'
import { ANSWERS, HEADERS, HOOKS, SENDING } from './reply.ts'
import { forwarded, PARAMETERS, passRequestBody } from './request.ts'

const { requestBuffering, ...PARAMS } = PARAMETERS

/** How the exchange with the servers is done: of `register` and of `reply.scgi()`. */
export const EXCHANGE = {
  ...PARAMS,
  forwarded,
  requestBuffering,
  passRequestBody,
  bind,
  ...CONNECTION,
  ...CLIENT_TIMES,
  nextUpstream,
  ...SENDING,
  ...ANSWERS,
  cache: row(ofRoom(['object', 'flag'], CACHE), { default: false, directives: ['scgi_cache'], doc: 'keep replies, and answer from them: [cache](cache.md)' }),
  cacheRules: row(word(['rfc9111', 'nginx']), { default: 'rfc9111', doc: '`rules` of `cache` where it has none of its own' }),
  ...HEADERS,
  allowAnyUpstream: row(flag, { default: false, doc: 'let a function `upstreams` name any address, not only configured ones' }),
  resolver: row(ofRoom(['object'], RESOLVER), {
    otherwise: 'the system, every 30s', directives: ['nginx: resolver'], doc: 'who is asked for the names that a function `upstreams` gives, with `allowAnyUpstream`',
  }),
} satisfies Rows

const UPSTREAMS = {
  upstreams: row(ofRoom(['text', 'list', 'object', 'function', 'other']), {
    required: true, directives: ['scgi_pass'], doc: 'where the requests go: an address, a list, a group, or a function of the request',
  }),
} satisfies Rows

const rewritePrefix = row(text(/^(?:$|\/)/, "a path that begins with '/', or ''"), {
  default: '', doc: 'PATH_INFO is this and what follows the mount',
})

/** Of `reply.scgi()`. */
export const REPLY = {
  ...UPSTREAMS,
  rewritePrefix,
  body: row(ofRoom(['text', 'other']), { otherwise: "the request's own", doc: 'the body to send, where Fastify has parsed it: a string, a Buffer or a readable stream' }),
  ...EXCHANGE,
  ...HOOKS,
} satisfies Rows

/** Of Fastify's routes. */
const ROUTE = {
  constraints: row(ofRoom(['object']), { otherwise: 'none', doc: "Fastify's route constraints" }),
  config: row(ofRoom(['object']), { otherwise: 'none', doc: "Fastify's route config" }),
  preHandler: row(ofRoom(['function', 'list']), { otherwise: 'none', doc: "Fastify's hook of the routes" }),
  preValidation: row(ofRoom(['function', 'list']), { otherwise: 'none', doc: "Fastify's hook of the routes" }),
  logLevel: row(ofRoom(['text']), { otherwise: "the instance's", doc: "Fastify's log level of the routes" }),
} satisfies Rows

/** Of `register`. */
export const REGISTER = {
  ...UPSTREAMS,
  prefix: row(text(/^(?:$|\/)/, "a path that begins with '/'"), { default: '/', doc: 'path under which the application is mounted' }),
  rewritePrefix,
  httpMethods: row(ofRoom(['names']), { otherwise: 'all that Node.js knows, save TRACE and CONNECT', doc: 'methods to serve' }),
  replyFrom: row(flag, { default: false, doc: 'add `reply.from()` of @fastify/reply-from, which then speaks SCGI to `upstreams`' }),
  internal: row(ofRoom(['object']), {
    otherwise: 'none', directives: ['location with internal and alias'], doc: 'directories by path: files that only an internal redirect gets at',
  }),
  closeTimeout: row(time(), { default: '10s', doc: 'how long `app.close()` waits for replies in flight before it cuts them' }),
  bodyLimit: row(size(1, 'at least 1 byte'), { otherwise: "Fastify's, 1 MiB unless set", doc: 'largest request body; a longer one is refused with 413' }),
  ...ROUTE,
  ...EXCHANGE,
  ...HOOKS,
} satisfies Rows
