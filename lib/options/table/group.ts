import { count, flag, object, ofRoom, text, time } from '../readers.ts'
import { row, type Rows } from '../row.ts'
import { RESOLVER } from './connections.ts'
import { HEALTH, OUTLIER } from './health.ts'
import { SPAWN } from './spawn.ts'
import { STICKY } from './sticky.ts'

const routeName = text(/^[^\s\0,;]{1,96}$/, 'a name of 1 to 96 characters without blanks, commas and semicolons')

export const TLS = {
  ca: row(ofRoom(['text', 'other', 'list']), { otherwise: 'those that Node.js knows', doc: 'certificates of the authorities that may vouch for the server, in PEM' }),
  cert: row(ofRoom(['text', 'other']), { otherwise: 'none', doc: 'certificate that this side shows, in PEM; with `key`' }),
  key: row(ofRoom(['text', 'other']), { otherwise: 'none', doc: 'private key of `cert`, in PEM' }),
  rejectUnauthorized: row(flag, { default: true, doc: 'refuse a server whose certificate does not hold' }),
  servername: row(text(/^[^\s\0]+$/, 'a host name'), { otherwise: 'the one in the address', doc: 'the name that is asked for (SNI) and that the certificate must bear' }),
} satisfies Rows

/** Of a server in a group. */
export const SERVER = {
  address: row(ofRoom(['text']), { required: true, doc: 'where it listens' }),
  weight: row(count(1), { default: 1, directives: ['nginx: weight'], doc: 'share of the requests' }),
  maxConns: row(count(), { default: 0, directives: ['nginx: max_conns'], doc: 'most exchanges at a time; 0 is without limit' }),
  maxFails: row(count(), {
    default: 1,
    directives: ['nginx: max_fails'],
    doc: 'failed attempts within `failTimeout` that take it out; 0 never does. A group of one server ignores it',
  }),
  failTimeout: row(time(), { default: '10s', directives: ['nginx: fail_timeout'], doc: 'that time, and how long it then is out' }),
  backup: row(flag, { default: false, directives: ['nginx: backup'], doc: 'used when no other can be' }),
  down: row(flag, { default: false, directives: ['nginx: down'], doc: 'out of use' }),
  drain: row(flag, {
    default: false, directives: ['nginx: drain'], doc: 'gets only requests that are bound to it: [down and drain](balancing.md#down-and-drain)',
  }),
  slowStart: row(time(), {
    default: 0,
    directives: ['nginx: slow_start'],
    doc: 'time in which its weight grows when it comes back or is added later: [servers that fail](balancing.md#servers-that-fail)',
  }),
  retry: row(time(), { otherwise: 'none', directives: ['Apache: retry'], doc: "Apache's rule for failures instead of `failTimeout`" }),
  lbset: row(count(), { default: 0, directives: ['Apache: lbset'], doc: 'servers of a lower set come first: [tiers](balancing.md#tiers)' }),
  spare: row(flag, { default: false, directives: ['Apache: hot spare, status=+R'], doc: 'takes the place of one of its set that is out' }),
  standby: row(flag, { default: false, directives: ['Apache: hot standby, status=+H'], doc: 'serves while no other of its set can' }),
  route: row(routeName, { otherwise: 'none', directives: ['nginx: route', 'Apache: route'], doc: 'its name in sticky sessions' }),
  redirect: row(routeName, { otherwise: 'none', directives: ['Apache: redirect'], doc: 'the `route` that gets its sessions while it is out' }),
  resolve: row(flag, { default: false, directives: ['nginx: resolve'], doc: 'the name is looked up again and again: [names](discovery-and-health.md#names)' }),
  service: row(ofRoom(['text']), {
    otherwise: 'none', directives: ['nginx: service'], doc: 'servers, ports and weights come from SRV records, with `resolve`',
  }),
  keepalive: row(count(), { otherwise: '0; HTTP: 32', doc: 'idle connections kept, where the server agrees: [connections](connections.md)' }),
  preconnect: row(count(), { default: 0, doc: 'connections opened ahead: [connections](connections.md)' }),
  tls: row(ofRoom(['object'], TLS), { otherwise: '', doc: 'how the server of an `https://` address is known: [TLS](http-members.md#tls)' }),
  spawn: row(ofRoom(['object'], SPAWN), {
    otherwise: 'none', directives: ['lighttpd: bin-path'], doc: 'in the place of `address`: an [application that is started here](spawn.md)',
  }),
} satisfies Rows

export const QUEUE = {
  size: row(count(1), { required: true, doc: 'so many requests may wait' }),
  timeout: row(time(1), { default: '60s', doc: 'the longest wait' }),
} satisfies Rows

/** Of the forms of `balance` that are objects. */
export const BALANCE = {
  leastTime: { inflight: row(flag, { default: false, doc: 'the age of running exchanges counts, too' }) },
  hash: { consistent: row(flag, { default: false, doc: 'keys keep their server also when servers come and go (ketama)' }) },
  random: {
    leastTime: row(ofRoom(['word']), { otherwise: 'none', doc: 'the faster one of two by chance' }),
    inflight: row(flag, { default: false, doc: 'the age of running exchanges counts, too' }),
  },
  select: {},
} satisfies Record<string, Rows>

/** Of a group of servers. */
export const GROUP = {
  name: row(text(/^[^\s\0,/]+$/, 'a name without blanks, commas and slashes'), {
    otherwise: 'its addresses', doc: "what logs and errors show, and what `'balancer://name'` finds",
  }),
  servers: row(ofRoom(['list']), { required: true, doc: 'addresses and servers, at least one' }),
  balance: row(ofRoom(['word', 'object']), { default: 'round_robin', doc: 'how the servers take turns: [methods](balancing.md#methods)' }),
  sticky: row(ofRoom(['object'], STICKY), {
    otherwise: 'none', directives: ['nginx: sticky', 'Apache: stickysession'], doc: 'which requests are bound to one server: [balancing](balancing.md)',
  }),
  queue: row(object(QUEUE, '{ size, timeout }'), {
    otherwise: 'none', directives: ['nginx: queue'], doc: 'requests wait while all are at `maxConns`: [the queue](balancing.md#maxconns-and-the-queue)',
  }),
  failOnStatus: row(ofRoom(['list']), {
    otherwise: 'none', directives: ['Apache: failonstatus'], doc: 'statuses that count as failures: [servers that fail](balancing.md#servers-that-fail)',
  }),
  forceRecovery: row(flag, { default: false, directives: ['Apache: forcerecovery'], doc: 'when all are out for failures, forget these' }),
  health: row(ofRoom(['object', 'list'], HEALTH), { otherwise: 'none', doc: 'active [checks](discovery-and-health.md#checks)' }),
  outlier: row(ofRoom(['object'], OUTLIER), { otherwise: 'off', doc: '[ejection](discovery-and-health.md#ejection) of servers that fail too often' }),
  resolver: row(ofRoom(['object'], RESOLVER), { otherwise: "the system's", doc: 'who is asked for names with `resolve`' }),
  shared: row(ofRoom(['other']), {
    otherwise: 'none', directives: ['nginx: zone', 'nginx: zone_sync'], doc: 'the channel over which processes share the group: [several processes](cluster.md)',
  }),
} satisfies Rows
