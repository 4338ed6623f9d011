import { count, flag, object, ofRoom, text, time } from '../readers.ts'
import { row, type Rows } from '../row.ts'
import { RESOLVER } from './connections.ts'
import { HEALTH, OUTLIER } from './health.ts'
import { SPAWN } from './spawn.ts'
import { STICKY } from './sticky.ts'

const routeName = text(/^[^\s\0,;]{1,96}$/, 'a name of 1 to 96 characters without blanks, commas and semicolons')

export const TLS = {
  ca: row(ofRoom(['text', 'other', 'list']), { otherwise: 'those of Node.js', doc: 'trusted CA certificates, in PEM' }),
  cert: row(ofRoom(['text', 'other']), { otherwise: 'none', doc: 'client certificate, in PEM; needs `key`' }),
  key: row(ofRoom(['text', 'other']), { otherwise: 'none', doc: 'private key of `cert`, in PEM' }),
  rejectUnauthorized: row(flag, { default: true, doc: 'refuse a server whose certificate is not valid' }),
  servername: row(text(/^[^\s\0]+$/, 'a host name'), { otherwise: 'the one in the address', doc: 'name sent in SNI, which the certificate must match' }),
} satisfies Rows

/** Of a server in a group. */
export const SERVER = {
  address: row(ofRoom(['text']), { required: true, doc: 'where the server listens' }),
  weight: row(count(1), { default: 1, directives: ['nginx: weight'], doc: 'share of the requests' }),
  maxConns: row(count(), { default: 0, directives: ['nginx: max_conns'], doc: 'maximum number of concurrent requests; 0 means no limit' }),
  maxFails: row(count(), {
    default: 1,
    directives: ['nginx: max_fails'],
    doc: 'failed attempts within `failTimeout` that take the server out; 0 means never. Ignored in a group of one server',
  }),
  failTimeout: row(time(), { default: '10s', directives: ['nginx: fail_timeout'], doc: 'time in which failures are counted, and for which the server is then out' }),
  backup: row(flag, { default: false, directives: ['nginx: backup'], doc: 'used only if no other server is available' }),
  down: row(flag, { default: false, directives: ['nginx: down'], doc: 'permanently unavailable' }),
  drain: row(flag, {
    default: false, directives: ['nginx: drain'], doc: 'gets only requests that are bound to this server: [down and drain](balancing.md#down-and-drain)',
  }),
  slowStart: row(time(), {
    default: 0,
    directives: ['nginx: slow_start'],
    doc: 'time in which the weight of a server grows from low to full after it comes back or is added: [servers that fail](balancing.md#servers-that-fail)',
  }),
  retry: row(time(), { otherwise: 'none', directives: ['Apache: retry'], doc: "how long the server is out after failures, by Apache's rule instead of `failTimeout`" }),
  lbset: row(count(), { default: 0, directives: ['Apache: lbset'], doc: 'set of the server; lower sets are used first: [tiers](balancing.md#tiers)' }),
  spare: row(flag, { default: false, directives: ['Apache: hot spare, status=+R'], doc: 'replaces a server of its set that is out' }),
  standby: row(flag, { default: false, directives: ['Apache: hot standby, status=+H'], doc: 'used while no other server of its set is available' }),
  route: row(routeName, { otherwise: 'none', directives: ['nginx: route', 'Apache: route'], doc: 'name of the server in sticky sessions' }),
  redirect: row(routeName, { otherwise: 'none', directives: ['Apache: redirect'], doc: '`route` of the server that gets its sessions while it is out' }),
  resolve: row(flag, { default: false, directives: ['nginx: resolve'], doc: 'keep resolving the name at run time: [names](discovery-and-health.md#names)' }),
  service: row(ofRoom(['text']), {
    otherwise: 'none', directives: ['nginx: service'], doc: 'take servers, ports and weights from SRV records; needs `resolve`',
  }),
  keepalive: row(count(), { otherwise: '0; HTTP: 32', doc: 'idle connections to keep, if the server supports it: [connections](connections.md)' }),
  preconnect: row(count(), { default: 0, doc: 'connections to open in advance: [connections](connections.md)' }),
  tls: row(ofRoom(['object'], TLS), { otherwise: '', doc: 'TLS options of an `https://` address: [TLS](http-members.md#tls)' }),
  spawn: row(ofRoom(['object'], SPAWN), {
    otherwise: 'none', directives: ['lighttpd: bin-path'], doc: 'instead of `address`: an [application that the gateway starts](spawn.md)',
  }),
} satisfies Rows

export const QUEUE = {
  size: row(count(1), { required: true, doc: 'maximum number of waiting requests' }),
  timeout: row(time(1), { default: '60s', doc: 'maximum time to wait' }),
} satisfies Rows

/** Of the forms of `balance` that are objects. */
export const BALANCE = {
  leastTime: { inflight: row(flag, { default: false, doc: 'count the age of requests in progress, too' }) },
  hash: { consistent: row(flag, { default: false, doc: 'keep the server of a key when other servers come and go (ketama)' }) },
  random: {
    leastTime: row(ofRoom(['word']), { otherwise: 'none', doc: 'choose the faster of two random servers' }),
    inflight: row(flag, { default: false, doc: 'count the age of requests in progress, too' }),
  },
  select: {},
} satisfies Record<string, Rows>

/** Of a group of servers. */
export const GROUP = {
  name: row(text(/^[^\s\0,/]+$/, 'a name without blanks, commas and slashes'), {
    otherwise: 'its addresses', doc: "name in logs and errors, and in `'balancer://name'`",
  }),
  servers: row(ofRoom(['list']), { required: true, doc: 'addresses and servers, at least one' }),
  balance: row(ofRoom(['word', 'object']), { default: 'round_robin', doc: 'balancing method: [methods](balancing.md#methods)' }),
  sticky: row(ofRoom(['object'], STICKY), {
    otherwise: 'none', directives: ['nginx: sticky', 'Apache: stickysession'], doc: 'bind the requests of a session to one server: [balancing](balancing.md)',
  }),
  queue: row(object(QUEUE, '{ size, timeout }'), {
    otherwise: 'none', directives: ['nginx: queue'], doc: 'let requests wait while all servers are at `maxConns`: [the queue](balancing.md#maxconns-and-the-queue)',
  }),
  tries: row(count(), {
    default: 0,
    directives: ['Apache: maxattempts'],
    doc: 'maximum number of attempts of a request in this group; 0 means no limit. The lower of this and `nextUpstream.tries` applies',
  }),
  failOnStatus: row(ofRoom(['list']), {
    otherwise: 'none', directives: ['Apache: failonstatus'], doc: 'statuses that count as failures: [servers that fail](balancing.md#servers-that-fail)',
  }),
  forceRecovery: row(flag, { default: false, directives: ['Apache: forcerecovery'], doc: 'if all servers are out after failures, use them all again' }),
  health: row(ofRoom(['object', 'list'], HEALTH), { otherwise: 'none', doc: 'active [checks](discovery-and-health.md#checks)' }),
  outlier: row(ofRoom(['object'], OUTLIER), { otherwise: 'off', doc: '[ejection](discovery-and-health.md#ejection) of servers that fail too often' }),
  resolver: row(ofRoom(['object'], RESOLVER), { otherwise: "the system's", doc: 'DNS servers for names with `resolve`' }),
  shared: row(ofRoom(['other']), {
    otherwise: 'none', directives: ['nginx: zone', 'nginx: zone_sync'], doc: 'channel over which processes share the group: [several processes](cluster.md)',
  }),
} satisfies Rows
