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
  cache: row(ofRoom(['object', 'flag'], CACHE), { default: false, directives: ['scgi_cache'], doc: 'cache replies: [cache](cache.md)' }),
  cacheRules: row(word(['rfc9111', 'nginx']), { default: 'rfc9111', doc: 'default of `cache.rules`' }),
  ...HEADERS,
  allowAnyUpstream: row(flag, { default: false, doc: 'let a function `upstreams` name any address, not only configured ones' }),
  resolver: row(ofRoom(['object'], RESOLVER), {
    otherwise: 'the system, every 30s', directives: ['nginx: resolver'], doc: 'DNS servers for the names that a function `upstreams` returns, with `allowAnyUpstream`',
  }),
} satisfies Rows

const UPSTREAMS = {
  upstreams: row(ofRoom(['text', 'list', 'object', 'function', 'other']), {
    required: true, directives: ['scgi_pass'], doc: 'where the requests go: an address, a list, a group, or a function of the request',
  }),
} satisfies Rows

const rewritePrefix = row(text(/^(?:$|\/)/, "a path that begins with '/', or ''"), {
  default: '', doc: 'put in front of the rest of the path to make PATH_INFO',
})

/** Of `reply.scgi()`. */
export const REPLY = {
  ...UPSTREAMS,
  rewritePrefix,
  body: row(ofRoom(['text', 'other']), { otherwise: "the request's own", doc: 'body to send if Fastify has parsed the request body: a string, a Buffer or a readable stream' }),
  ...EXCHANGE,
  ...HOOKS,
} satisfies Rows

/** Of Fastify's routes. */
const ROUTE = {
  constraints: row(ofRoom(['object']), { otherwise: 'none', doc: "Fastify's route constraints" }),
  config: row(ofRoom(['object']), { otherwise: 'none', doc: "Fastify's route config" }),
  preHandler: row(ofRoom(['function', 'list']), { otherwise: 'none', doc: "Fastify's route hook" }),
  preValidation: row(ofRoom(['function', 'list']), { otherwise: 'none', doc: "Fastify's route hook" }),
  logLevel: row(ofRoom(['text']), { otherwise: "the instance's", doc: "Fastify's log level for the routes" }),
} satisfies Rows

/** Of `register`. */
export const REGISTER = {
  ...UPSTREAMS,
  prefix: row(text(/^(?:$|\/)/, "a path that begins with '/'"), { default: '/', doc: 'path under which the application is mounted' }),
  rewritePrefix,
  httpMethods: row(ofRoom(['names']), { otherwise: 'all that Node.js knows, except TRACE and CONNECT', doc: 'methods to serve' }),
  replyFrom: row(flag, { default: false, doc: 'add `reply.from()` of @fastify/reply-from, speaking SCGI to `upstreams`' }),
  internal: row(ofRoom(['object']), {
    otherwise: 'none', directives: ['location with internal and alias'], doc: 'directories by path, whose files only an internal redirect can reach',
  }),
  closeTimeout: row(time(), { default: '10s', doc: 'how long `app.close()` waits for replies in progress before it cuts them off' }),
  bodyLimit: row(size(1, 'at least 1 byte'), { otherwise: "Fastify's, 1 MiB unless set", doc: 'largest request body; a longer one is refused with 413' }),
  ...ROUTE,
  ...EXCHANGE,
  ...HOOKS,
} satisfies Rows
