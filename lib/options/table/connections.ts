import { count, flag, flagOr, names, object, ofRoom, size, time, word } from '../readers.ts'
import { MAX_PROBE_DELAY, probeDelay } from '../units.ts'
import { row, type Rows, type Values } from '../row.ts'

/** Default time limit of one step of an exchange. */
const STEP = '60s'

export const SOCKET_KEEPALIVE = {
  initialDelay: row(time(0, undefined, MAX_PROBE_DELAY), { default: 0, otherwise: "0, the system's", doc: 'idle time before the first probe, rounded up to seconds; at most 32767 s' }),
} satisfies Rows

/** Milliseconds before the first probe, in whole seconds; `undefined` without probes. */
export function initialDelay (given: boolean | Values<typeof SOCKET_KEEPALIVE>): number | undefined {
  if (typeof given !== 'boolean') return probeDelay(given.initialDelay)
  return given ? 0 : undefined
}

/** Of one exchange with a server. */
export const CONNECTION = {
  socketKeepalive: row(flagOr(object(SOCKET_KEEPALIVE, 'true, false or { initialDelay }'), 'true, false or { initialDelay }'), {
    default: false, directives: ['scgi_socket_keepalive'], doc: 'SO_KEEPALIVE on the sockets to the servers',
  }),
  connectTimeout: row(time(), { default: STEP, directives: ['scgi_connect_timeout'], doc: 'time to connect; 0 means no limit' }),
  sendTimeout: row(time(), {
    default: STEP, directives: ['scgi_send_timeout'], doc: 'longest time between two successful writes of the request; 0 means no limit',
  }),
  readTimeout: row(time(), {
    default: STEP,
    directives: ['scgi_read_timeout'],
    doc: 'time for the complete head of the reply, then longest time between two reads of its body; 0 means no limit',
  }),
} satisfies Rows

/** Of the client's side. */
export const CLIENT_TIMES = {
  clientBodyTimeout: row(time(), {
    default: STEP, directives: ['client_body_timeout'], doc: "longest time between two reads of the client's request body, then 408; 0 means no limit",
  }),
  clientSendTimeout: row(time(), {
    default: STEP, directives: ['send_timeout'], doc: 'longest time in which the client takes nothing of the reply, then its connection is closed; 0 means no limit',
  }),
} satisfies Rows

/** Largest head of a reply, and largest single read. */
export const bufferSize = row(size(1024, 'at least 1k'), {
  default: '64k', directives: ['scgi_buffer_size'], doc: 'maximum size of the head of a reply, and of a single read; at least 1k',
})

export const BIND = {
  address: row(ofRoom(['text']), { required: true, doc: "`'addr'`, `'addr:port'` or `'[v6]:port'`" }),
  transparent: row(flag, {
    default: false, directives: ['scgi_bind ... transparent'], doc: 'allow an address that this machine does not have: [transparent](connections.md#transparent)',
  }),
} satisfies Rows

export const bind = row(ofRoom(['text', 'object', 'function', 'flag'], BIND), {
  otherwise: 'none', short: ['address'], directives: ['scgi_bind'], doc: 'local address to connect from: a string, an object or a function of the request',
})

/** Time between two looks for a server by a request that waits. */
const HELD = '250ms'

export const NEXT_UPSTREAM = {
  on: row(ofRoom(['names']), { default: ['error', 'timeout'], doc: 'conditions; with an empty list no request goes on' }),
  tries: row(count(), { default: 0, directives: ['scgi_next_upstream_tries'], doc: 'maximum number of attempts per request; 0 means no limit' }),
  timeout: row(time(), {
    default: 0, directives: ['scgi_next_upstream_timeout'], doc: 'time after which no further attempt is started; 0 means no limit',
  }),
  wait: row(time(), { default: 0, directives: ['Caddy: lb_try_duration'], doc: 'how long a request waits while no server is available; 0 for not at all' }),
  interval: row(time(1), {
    default: HELD, directives: ['Caddy: lb_try_interval'], doc: 'how often a waiting request looks for a server; only with `wait`, at least 1 ms',
  }),
} satisfies Rows

export const nextUpstream = row(ofRoom(['names', 'object', 'flag'], NEXT_UPSTREAM), {
  default: ['error', 'timeout'], short: ['on'], directives: ['scgi_next_upstream'], doc: 'when a request is sent to the next server',
})

/** The DNS. */
export const RESOLVER = {
  servers: row(names('a list of IP addresses', 1), { otherwise: "the system's", doc: 'IP addresses of DNS servers, with or without port' }),
  timeout: row(time(1), { default: '5s', doc: 'time for an answer, however many servers are queried' }),
  ttl: row(time(1000), { otherwise: 'the TTL of the answer', directives: ['nginx: valid'], doc: 'how long an answer is valid; at least 1s' }),
  family: row(word([4, 6, 'both']), { default: 'both', directives: ['nginx: ipv4=off', 'nginx: ipv6=off'], doc: 'which addresses to query: A, AAAA or both' }),
} satisfies Rows
