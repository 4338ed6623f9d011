import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { freePort } from '../lib/box.ts'
import { programPath, programVersion, type Peer } from './peer.ts'

const names = ['apache2', 'httpd']
const modules = ['mpm_event', 'authz_core', 'unixd', 'proxy', 'proxy_scgi']

/** Where this machine has Apache's modules; undefined when one of them is missing. */
function modulesDir (program: string): string | undefined {
  const path = programPath(program)
  const candidates = ['/usr/lib/apache2/modules', '/usr/lib64/httpd/modules', '/usr/lib/httpd/modules', join(dirname(path), '../modules')]
  return candidates.find((dir) => existsSync(join(dir, 'mod_proxy_scgi.so')) && existsSync(join(dir, 'mod_mpm_event.so')))
}

function installed (): { program: string, dir: string, version: string } | undefined {
  for (const program of names) {
    const version = programVersion(program, ['-v'], /Apache\/(\S+)/)
    const dir = modulesDir(program)
    if (version !== undefined && dir !== undefined) return { program, dir, version }
  }
  return undefined
}

function isBuiltIn (program: string, module: string): boolean {
  return execFileSync(programPath(program), ['-l'], { encoding: 'utf8' }).includes(`mod_${module}.c`)
}

export const apache: Peer = {
  name: 'apache',
  transports: ['unix', 'tcp'],
  native: true,
  version: () => installed()?.version,
  async start (box, origins, transport, core) {
    const found = installed()
    if (found === undefined) throw new Error('apache is not installed')
    const port = await freePort()
    const dir = join(box.dir, `apache-${transport}`)
    mkdirSync(dir, { recursive: true })
    const target = transport === 'unix' ? `unix:${origins.scgiPath}|scgi://localhost/` : `scgi://127.0.0.1:${origins.scgiPort}/`
    const load = modules.filter((name) => existsSync(join(found.dir, `mod_${name}.so`)) && !isBuiltIn(found.program, name))
      .map((name) => `LoadModule ${name}_module ${found.dir}/mod_${name}.so`).join('\n')
    // One process; a thread for each connection of the load, and as many again.
    const config = box.write(`apache-${transport}.conf`, `ServerRoot "${dir}"
ServerName localhost
DefaultRuntimeDir "${dir}"
PidFile "${dir}/pid"
ErrorLog "${dir}/error.log"
${load}
${process.getuid?.() === 0 ? 'User nobody\nGroup nogroup' : ''}
Listen 127.0.0.1:${port}
ListenBacklog 4096
StartServers 1
ServerLimit 1
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers 128
MinSpareThreads 128
MaxSpareThreads 128
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
ProxyPass "/" "${target}"
`)
    const running = await box.start(`apache-${transport}`, programPath(found.program), ['-DFOREGROUND', '-f', config], { core })
    return { running, port }
  },
}
