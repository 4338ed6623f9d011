/** The files of docs/deploying.md; test/run/deploying.test.ts tries each of them. */
export const DEPLOYED = [
  'gateway.config.mjs', 'gateway.socket', 'gateway.service', 'logrotate.conf', 'Dockerfile', 'compose.yaml', 'ecosystem.config.cjs', 'nginx.conf',
]
