// Who may import whom. Types count as imports: what two files need gets a home below both.
// A room may use the rooms of its own line and no others; a line that grows is a decision, not an accident.
const GROUND = ['bytes', 'files', 'http', 'options', 'runtime']

const ROOMS = {
  bytes: [],
  runtime: [],
  options: ['runtime'],
  files: ['bytes', 'runtime'],
  http: ['bytes', 'options', 'runtime'],

  // Pure: no sockets, no Fastify.
  scgi: ['http', 'runtime'],
  balancer: ['bytes', 'options', 'runtime'],
  redis: ['runtime'],
  cache: [...GROUND, 'redis'],

  // A request's way, in its order.
  inbound: [...GROUND],
  routing: [...GROUND],
  connections: [...GROUND, 'scgi'],
  request: [...GROUND, 'connections', 'routing'],
  spawn: [...GROUND],
  group: [...GROUND, 'balancer', 'connections', 'spawn'],
  attempts: [...GROUND, 'balancer', 'connections'],
  mirror: [...GROUND],
  reply: [...GROUND, 'cache'],
  redirect: [...GROUND, 'reply', 'routing'],
  filters: [...GROUND, 'inbound', 'redirect', 'reply', 'routing'],
  exchange: [...GROUND, 'attempts', 'balancer', 'cache', 'connections', 'filters', 'inbound', 'mirror', 'redirect', 'reply', 'request', 'routing'],

  // Other doors to the same rooms.
  accel: [...GROUND, 'filters', 'reply', 'request'],
  // How workers of node:cluster ask one another.
  workers: ['options', 'runtime'],
  channel: [...GROUND, 'group', 'redis', 'workers'],
  client: [...GROUND, 'connections', 'reply', 'request', 'scgi'],
  dispatcher: [...GROUND, 'attempts', 'balancer', 'connections', 'exchange', 'group', 'inbound', 'reply', 'request', 'routing'],
  server: [...GROUND, 'inbound', 'scgi'],
  'cache-store-suite': [],
  // What sees the gateway from outside: the channels, and what the plugin shows.
  observe: ['options', 'runtime', 'workers'],
  demo: ['files', 'server'],
  run: ['channel', 'connections', 'demo', 'inbound', 'observe', 'options', 'runtime', 'spawn'],
}

/** Only these may be used by nobody but the entry points. */
const PURE = ['scgi', 'balancer', 'cache']

const rules = Object.entries(ROOMS).map(([room, known]) => ({
  name: `${room}-imports`,
  severity: 'error',
  comment: known.length === 0 ? `lib/${room}/ stands alone.` : `lib/${room}/ knows ${known.join(', ')}, and no other room.`,
  from: { path: `^lib/${room}/` },
  to: { path: '^lib/[^/]+/', pathNot: `^lib/(${[room, ...known].join('|')})/` },
}))

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', comment: 'No two files need one another.', from: {}, to: { circular: true } },
    {
      name: 'types-stand-alone',
      severity: 'error',
      comment: 'The public contracts know nothing of the code.',
      from: { path: '^types/', pathNot: '\\.tst\\.ts$' },
      to: { path: '^lib/' },
    },
    {
      name: 'every-room-has-a-line',
      severity: 'error',
      comment: 'A new folder of lib/ says here whom it may import.',
      from: { path: '^lib/[^/]+/', pathNot: `^lib/(${Object.keys(ROOMS).join('|')})/` },
      to: {},
    },
    {
      name: 'pure-rooms-know-no-fastify',
      severity: 'error',
      comment: 'Protocol, balancing and cache rules are decided without Fastify and without sockets.',
      // ip_hash asks node:net whether a text is an address, and opens nothing.
      from: { path: `^lib/(${PURE.join('|')})/`, pathNot: '^lib/cache/stores/redis|^lib/balancer/ip-hash\\.ts$' },
      to: { path: ['node_modules/(@fastify|fastify)/', '^(node:)?net$', '^(node:)?tls$'] },
    },
    {
      name: 'only-the-plugin-knows-all',
      severity: 'error',
      comment: 'Nobody but the entry points and the command line imports the plugin.',
      from: { path: '^lib/', pathNot: '^lib/(index|plugin)\\.ts$|^lib/run/' },
      to: { path: '^lib/(plugin|plugin-options|index)\\.ts$' },
    },
    ...rules,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
    reporterOptions: {
      archi: { collapsePattern: '^(lib/[^/]+|types|node_modules)' },
    },
  },
}
