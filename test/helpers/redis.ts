import { missingPackage } from './packages.ts'
import { startRealServer } from './child.ts'
import type { RealServer } from './child.ts'
import { tempDir } from './temp.ts'

export const REDIS = '/usr/bin/redis-server'

/** Why tests with a real Redis cannot run here, or false. */
export const noRedis = missingPackage('redis-server', REDIS)

export interface Redis extends RealServer {
  /** Path of its unix socket. */
  readonly url: string
}

/** Starts a Redis that listens on a unix socket and keeps nothing on the disk. */
export async function startRedis (socket?: string): Promise<Redis> {
  const dir = await tempDir()
  const url = socket ?? dir.socket()
  const server = await startRealServer({
    command: REDIS,
    args: ['--port', '0', '--unixsocket', url, '--save', '', '--appendonly', 'no', '--dir', dir.path],
    dir,
    ready: [{ path: url }],
  })
  return { ...server, url, [Symbol.asyncDispose]: server.stop }
}
