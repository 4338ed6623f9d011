import { lstat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { codeOf } from '../runtime/caught.ts'
import { StartError, UsageError } from './errors.ts'

/** Where to serve HTTP. */
export type ListenAddress = { readonly host: string, readonly port: number } | { readonly path: string }

/**
 * Reads `8080`, `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`. A port alone is one of the loopback interface: a gateway is
 * opened to the network by saying so.
 * @throws UsageError
 */
export function parseListen (text: string): ListenAddress {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length)
    if (path === '') throw new UsageError(`--listen '${text}' names no socket: write unix:/path`)
    return { path }
  }
  const match = /^(?:(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([^:[\]/\s]+)):)?(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65535) {
    throw new UsageError(`--listen '${text}' is no address: write 8080, 127.0.0.1:8080, [::1]:8080 or unix:/path`)
  }
  return { host: match[1] ?? match[2] ?? '127.0.0.1', port }
}

/** The address as it was written, for messages. */
export function showListen (address: ListenAddress): string {
  if ('path' in address) return `unix:${address.path}`
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/**
 * Removes a socket file that a process left behind when it died. One that is in use, and a file that is no socket, are left alone.
 * @throws StartError
 */
export async function removeStaleSocket (path: string): Promise<void> {
  const name = `unix:${path}`
  let isSocket
  try {
    isSocket = (await lstat(path)).isSocket()
  } catch {
    // There is none, or listen() will say what is wrong.
    return
  }
  if (!isSocket) throw new StartError(`cannot listen on ${name}: there is a file of that name which is no socket`)
  const failure = await tryConnect(path)
  if (failure === 'ECONNREFUSED') await unlink(path)
  else if (failure === undefined || failure === 'EAGAIN') throw inUse(name)
}

/** Connects and closes again; the error code where that fails. */
function tryConnect (path: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', error => resolve(codeOf(error) ?? 'unknown'))
  })
}

function inUse (name: string): StartError {
  return new StartError(`cannot listen on ${name}: the address is in use; stop the process that listens there, or choose another with --listen`)
}

/** What a failed listen() means. */
export function explainListen (address: ListenAddress, error: unknown): StartError {
  const name = showListen(address)
  const code = codeOf(error) ?? ''
  if (code === 'EADDRINUSE') return inUse(name)
  const unix = 'path' in address
  const reasons: Record<string, string> = {
    EACCES: unix ? 'its directory does not exist, or may not be written' : 'no permission: a port below 1024 needs privileges',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'the name does not resolve',
    EAI_AGAIN: 'the name does not resolve',
    ENOENT: 'its directory does not exist',
    // A path that is too long for the system comes back as an invalid argument.
    EINVAL: unix ? 'the path is too long for a socket' : 'invalid address',
  }
  return new StartError(`cannot listen on ${name}: ${reasons[code] ?? (error instanceof Error ? error.message : String(error))}`)
}
