// Who may import whom. Types count as imports: what two files need gets a home below both.
const rooms = names => `^lib/(${names.join('|')})/`

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
      name: 'balancer-is-pure',
      severity: 'error',
      comment: 'Which server is next is decided without sockets, Fastify or the cache.',
      from: { path: '^lib/balancer/' },
      to: { path: [rooms(['accel', 'cache', 'cli', 'demo', 'dispatcher', 'filters', 'gateway', 'inbound', 'resolve', 'routing', 'scgi', 'server', 'transport', 'upstream']), 'node_modules/fastify/'] },
    },
    {
      name: 'cache-is-pure',
      severity: 'error',
      comment: 'What is stored and served is decided without servers and Fastify.',
      from: { path: '^lib/cache/' },
      to: { path: [rooms(['accel', 'balancer', 'cli', 'demo', 'dispatcher', 'filters', 'gateway', 'inbound', 'resolve', 'routing', 'scgi', 'server', 'transport', 'upstream']), 'node_modules/fastify/'] },
    },
    {
      name: 'scgi-knows-no-rooms',
      severity: 'error',
      comment: 'The protocol knows neither who asks nor why.',
      from: { path: '^lib/(scgi|transport)/' },
      to: { path: [rooms(['accel', 'balancer', 'cache', 'cli', 'demo', 'dispatcher', 'filters', 'gateway', 'inbound', 'routing', 'server', 'upstream']), 'node_modules/fastify/'] },
    },
    {
      name: 'filters-know-replies',
      severity: 'error',
      comment: 'What changes a reply knows no servers.',
      from: { path: '^lib/filters/' },
      to: { path: rooms(['balancer', 'cache', 'cli', 'demo', 'dispatcher', 'gateway', 'scgi', 'server', 'transport']) },
    },
    {
      name: 'nobody-knows-the-doors',
      severity: 'error',
      comment: 'The command line, the demo and the plugin are known to themselves and to the entry point.',
      from: { path: '^lib/', pathNot: '^lib/(cli|demo)/|^lib/(cli|index)\\.ts$' },
      to: { path: '^lib/(cli|demo)/|^lib/plugin\\.ts$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
}
