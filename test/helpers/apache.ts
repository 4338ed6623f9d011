import { writeFileSync } from 'node:fs'
import { startRealServer } from './child.ts'
import type { RealServer } from './child.ts'
import { freePort } from './ready.ts'
import { tempDir } from './temp.ts'

export const APACHE = '/usr/sbin/apache2'
const MODULES = '/usr/lib/apache2/modules'
/** What every configuration gets beside what it asks for. */
const BASE = ['mpm_event', 'authz_core', 'env', 'setenvif', 'slotmem_shm', 'proxy', 'proxy_scgi', 'proxy_balancer', 'lbmethod_byrequests', 'headers']

export interface Apache extends RealServer {
  readonly port: number
}

/**
 * Starts Apache with `conf` at server level and the modules for SCGI and balancers loaded. One process, not a daemon. As root it
 * serves as www-data: what it must reach needs leave for everyone.
 */
export async function startApache (conf: string, modules: string[] = []): Promise<Apache> {
  const dir = await tempDir()
  const port = await freePort()
  writeFileSync(dir.file('apache.conf'), `
ServerRoot ${dir.path}
DefaultRuntimeDir ${dir.path}
PidFile ${dir.file('apache.pid')}
Mutex posixsem
Listen 127.0.0.1:${port}
ServerName gateway.test
User www-data
Group www-data
DocumentRoot ${dir.path}
ErrorLog ${dir.file('error.log')}
LogLevel warn proxy:info
${[...BASE, ...modules].map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`).join('\n')}
StartServers 1
MinSpareThreads 1
ThreadsPerChild 25
MaxRequestWorkers 25
KeepAliveTimeout 5
${conf}
`)
  const server = await startRealServer({
    command: APACHE,
    args: ['-X', '-f', dir.file('apache.conf')],
    dir,
    ready: [{ port }],
    logFiles: ['error.log'],
    // A single Apache process takes its time with SIGTERM, and has nothing to lose.
    signal: 'SIGKILL',
  })
  return { ...server, port, [Symbol.asyncDispose]: server.stop }
}
