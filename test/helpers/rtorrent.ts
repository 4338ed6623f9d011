import { mkdirSync } from 'node:fs'
import { startRealServer } from './child.ts'
import type { RealServer } from './child.ts'
import { tempDir } from './temp.ts'

export const RTORRENT = '/usr/bin/rtorrent'

export interface Rtorrent extends RealServer {
  /** Where it listens, as a gateway's address. */
  readonly address: string
}

/** Starts rTorrent without a terminal and without a port of its own on the network; XML-RPC on a unix socket. */
export async function startRtorrent (): Promise<Rtorrent> {
  const dir = await tempDir()
  const socket = dir.socket('rpc')
  mkdirSync(dir.file('session'))
  const server = await startRealServer({
    command: RTORRENT,
    args: [
      '-n', '-b', '127.0.0.1', '-s', dir.file('session'), '-d', dir.path,
      '-o', 'system.daemon.set=true', '-o', 'network.port_open.set=no', '-o', 'dht.mode.set=disable', '-o', 'trackers.use_udp.set=no',
      '-o', `network.scgi.open_local=${socket}`,
    ],
    dir,
    ready: [{ path: socket }],
    env: { TERM: 'dumb' },
  })
  return { ...server, address: `unix:${socket}`, [Symbol.asyncDispose]: server.stop }
}
