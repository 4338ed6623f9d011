import { writeFileSync } from 'node:fs'
import { startRealServer } from './child.ts'
import type { RealServer } from './child.ts'
import { freePort } from './ready.ts'
import { tempDir } from './temp.ts'

export const DNSMASQ = '/usr/sbin/dnsmasq'

export interface Dnsmasq extends RealServer {
  /** For a resolver: `'127.0.0.1:5353'`. */
  readonly address: string
  /** Other lines for the file of hosts (`10.0.0.1 app.test`), read at once. */
  setHosts (lines: string[]): void
}

/** Starts dnsmasq with these lines of configuration and of hosts. It knows of nothing else, and asks nobody. */
export async function startDnsmasq (conf: string[], hosts: string[] = []): Promise<Dnsmasq> {
  const dir = await tempDir()
  const port = await freePort()
  const file = dir.file('hosts')
  writeFileSync(file, `${hosts.join('\n')}\n`)
  writeFileSync(dir.file('dnsmasq.conf'), [
    `port=${port}`, 'listen-address=127.0.0.1', 'bind-interfaces', 'no-resolv', 'no-hosts', 'local=/test/', `addn-hosts=${file}`,
    `pid-file=${dir.file('pid')}`, ...(process.getuid?.() === 0 ? ['user=root', 'group=root'] : []), ...conf, '',
  ].join('\n'))
  const server = await startRealServer({
    command: DNSMASQ,
    args: ['--keep-in-foreground', `--conf-file=${dir.file('dnsmasq.conf')}`, '--log-facility=-'],
    dir,
    ready: [{ port }],
  })
  return {
    ...server,
    address: `127.0.0.1:${port}`,
    setHosts (lines) {
      writeFileSync(file, `${lines.join('\n')}\n`)
      process.kill(server.pid, 'SIGHUP')
    },
    [Symbol.asyncDispose]: server.stop,
  }
}
