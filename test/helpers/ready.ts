import { once } from 'node:events'
import net from 'node:net'
import type { Target } from './raw-client.ts'

/**
 * Waits until another process accepts connections there. A foreign process tells by nothing but accepting, so it is asked again
 * and again; at most `timeout` milliseconds (10000). `alive` tells when there is nothing more to wait for.
 */
export async function waitForListener (target: Target, options: { timeout?: number, alive?: () => boolean } = {}): Promise<void> {
  const deadline = Date.now() + (options.timeout ?? 10000)
  const where = 'path' in target ? target.path : `port ${target.port}`
  for (;;) {
    if (await accepts(target)) return
    if (options.alive?.() === false) throw new Error(`the server for ${where} has ended`)
    if (Date.now() > deadline) throw new Error(`nobody listens on ${where}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function accepts (target: Target): Promise<boolean> {
  const socket = 'path' in target ? net.connect(target.path) : net.connect(target.port, target.host ?? '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** A TCP port of 127.0.0.1 that was free a moment ago, for a foreign server that cannot be told to choose one itself. */
export async function freePort (): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('no TCP address')
  return address.port
}
