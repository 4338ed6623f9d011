import { count, flag, flagOr, names, object, ofRoom, size, time, word } from '../readers.ts'
import { row, type Rows, type Values } from '../row.ts'

/** Longest wait for one step of an exchange, wherever nothing else is said. */
const STEP = '60s'

export const SOCKET_KEEPALIVE = {
  initialDelay: row(time(), { default: 0, otherwise: "0, the system's", doc: 'idle time before the first probe' }),
} satisfies Rows

/** Milliseconds before the first probe; `undefined` where there are none. */
export function initialDelay (given: boolean | Values<typeof SOCKET_KEEPALIVE>): number | undefined {
  if (typeof given !== 'boolean') return given.initialDelay
  return given ? 0 : undefined
}

/** Of one exchange with a server, whoever asks for it. */
export const CONNECTION = {
  socketKeepalive: row(flagOr(object(SOCKET_KEEPALIVE, 'true, false or { initialDelay }'), 'true, false or { initialDelay }'), {
    default: false, directives: ['scgi_socket_keepalive'], doc: 'SO_KEEPALIVE on the sockets to the servers',
  }),
  connectTimeout: row(time(), { default: STEP, directives: ['scgi_connect_timeout'], doc: 'time to connect; 0 is without limit' }),
  sendTimeout: row(time(), {
    default: STEP, directives: ['scgi_send_timeout'], doc: 'longest pause between two successful writes of the request; 0 is without limit',
  }),
  readTimeout: row(time(), {
    default: STEP,
    directives: ['scgi_read_timeout'],
    doc: 'time for the whole head of the reply, then longest pause between two pieces of its body; 0 is without limit',
  }),
} satisfies Rows

/** Of the client's side. */
export const CLIENT_TIMES = {
  clientBodyTimeout: row(time(), {
    default: STEP, directives: ['client_body_timeout'], doc: "longest pause between two pieces of the client's request body, then 408; 0 is without limit",
  }),
  clientSendTimeout: row(time(), {
    default: STEP, directives: ['send_timeout'], doc: 'longest time in which the client takes nothing of its reply, then it is cut off; 0 is without limit',
  }),
} satisfies Rows

/** Largest head of a reply, and largest single read. */
export const bufferSize = row(size(1024, 'at least 1k'), {
  default: '64k', directives: ['scgi_buffer_size'], doc: 'largest head of a reply, and largest single read; at least 1k',
})

export const BIND = {
  address: row(ofRoom(['text']), { required: true, doc: "`'addr'`, `'addr:port'` or `'[v6]:port'`" }),
  transparent: row(flag, {
    default: false, directives: ['scgi_bind ... transparent'], doc: 'the address need not be one of this machine: [transparent](connections.md#transparent)',
  }),
} satisfies Rows

export const bind = row(ofRoom(['text', 'object', 'function', 'flag'], BIND), {
  otherwise: 'none', directives: ['scgi_bind'], doc: 'local address to connect from: a text, an object or a function of the request',
})

/** Idle time of a request that is held, from one look for a server to the next. */
const HELD = '250ms'

export const NEXT_UPSTREAM = {
  on: row(ofRoom(['names']), { default: ['error', 'timeout'], doc: 'conditions; an empty list passes nothing on' }),
  tries: row(count(), { default: 0, directives: ['scgi_next_upstream_tries'], doc: 'most attempts of one request; 0 is without limit' }),
  timeout: row(time(), {
    default: 0, directives: ['scgi_next_upstream_timeout'], doc: 'time after which no further attempt is begun; 0 is without limit',
  }),
  wait: row(time(), { default: 0, directives: ['Caddy: lb_try_duration'], doc: 'how long a request is held while no server can be had; 0 for not at all' }),
  interval: row(time(1), {
    default: HELD, directives: ['Caddy: lb_try_interval'], doc: 'how often a held request looks for a server; only with `wait`, at least 1 ms',
  }),
} satisfies Rows

export const nextUpstream = row(ofRoom(['names', 'object', 'flag'], NEXT_UPSTREAM), {
  default: ['error', 'timeout'], directives: ['scgi_next_upstream'], doc: 'when a request goes on to the next server',
})

/** Who is asked for names. */
export const RESOLVER = {
  servers: row(names('a list of IP addresses', 1), { otherwise: "the system's", doc: 'IP addresses of DNS servers, with or without port' }),
  timeout: row(time(1), { default: '5s', doc: 'time for an answer, however many servers are asked for it' }),
  ttl: row(time(1000), { otherwise: 'what the answer says', directives: ['nginx: valid'], doc: 'how long an answer holds; at least 1s' }),
  family: row(word([4, 6, 'both']), { default: 'both', directives: ['nginx: ipv4=off', 'nginx: ipv6=off'], doc: 'which addresses are asked for: A, AAAA or both' }),
} satisfies Rows
