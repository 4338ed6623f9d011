import net from 'node:net'
import type { ServerAddress } from '../../types/exchange.ts'

/**
 * Connects to a server, and closes the connection.
 * @param done called with why it did not take the connection, or with `undefined` when it did
 * @returns ends it without a call of `done`
 */
export function tryConnect (address: ServerAddress, timeout: number, done: (reason: string | undefined) => void): () => void {
  const socket = address.host === undefined
    ? net.connect({ path: address.socketPath ?? '' })
    : net.connect({ host: address.host, port: address.port, autoSelectFamily: false })
  const timer = setTimeout(() => over(`no connection within ${timeout} ms`), timeout).unref()
  const end = (): void => {
    clearTimeout(timer)
    socket.removeAllListeners()
    // What comes late is nobody's business.
    socket.on('error', () => {})
    socket.destroy()
  }
  const over = (reason: string | undefined): void => {
    end()
    done(reason)
  }
  socket.unref()
  socket.on('connect', () => over(undefined))
  socket.on('error', error => over(`connect() failed: ${'code' in error ? String(error.code) : error.message}`))
  return end
}
