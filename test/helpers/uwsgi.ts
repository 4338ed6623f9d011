import { startRealServer } from './child.ts'
import type { RealServer } from './child.ts'
import { tempDir } from './temp.ts'

export const UWSGI = ['/usr/bin/uwsgi', '/usr/lib/uwsgi/plugins/python3_plugin.so']

export interface Uwsgi extends RealServer {
  /** Where it listens, as a gateway's address. */
  readonly address: string
}

export interface UwsgiOptions {
  /** File of the WSGI application. */
  app: string
  /** Answer with an HTTP status line (`--scgi-nph-socket`), not with `Status:`. */
  nph?: boolean
  /** Speak uWSGI's own protocol (`--socket`), as by mistake. */
  native?: boolean
  /** More command line arguments. */
  args?: string[]
}

/** Starts uWSGI on a unix socket: one process, four threads. */
export async function startUwsgi (options: UwsgiOptions): Promise<Uwsgi> {
  const dir = await tempDir()
  const socket = dir.socket('uwsgi')
  const server = await startRealServer({
    command: UWSGI[0] ?? 'uwsgi',
    args: [
      options.native === true ? '--socket' : options.nph ? '--scgi-nph-socket' : '--scgi-socket', socket,
      '--chmod-socket=666', '--plugin', 'python3', '--wsgi-file', options.app, '--callable', 'application',
      '--enable-threads', '--threads', '4', '--need-app', '--disable-logging', '--die-on-term',
      ...options.args ?? [],
    ],
    dir,
    ready: [{ path: socket }],
    env: { PYTHONDONTWRITEBYTECODE: '1' },
  })
  return { ...server, address: `unix:${socket}`, [Symbol.asyncDispose]: server.stop }
}
