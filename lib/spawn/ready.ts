import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'

/** Where a process is to listen. */
export interface Place {
  readonly kind: 'stdin' | 'path' | 'port'
  /** As an address of a server: `'unix:/path'`, `'127.0.0.1:4001'`. */
  readonly address: string
  /** What `{socket}` and SCGI_SOCKET say. */
  readonly socket: string
  readonly port: number
  /** The socket that becomes descriptor 0. */
  readonly fd: number | undefined
}

/** The state of a socket that listens: SS_UNCONNECTED with __SO_ACCEPTCON, and TCP_LISTEN. */
const UNIX_LISTENS = 0x10000
const TCP_LISTENS = '0A'

/** Somebody listens there. */
export async function listens ({ kind, socket, port }: Place): Promise<boolean> {
  if (kind === 'stdin') return true
  // Asked of the system where it tells: an application that serves one connection after the other takes a look as a request that is broken off.
  try {
    if (kind === 'path') return hasUnixSocket(await readFile('/proc/net/unix', 'utf8'), socket)
    const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(file => readFile(file, 'utf8').catch(() => '')))
    if (tables[0] !== '') return tables.some(table => hasPort(table, port))
  } catch {
    // No Linux.
  }
  return await connects(kind === 'path' ? { path: socket } : { host: '127.0.0.1', port })
}

function hasUnixSocket (table: string, path: string): boolean {
  // Num RefCount Protocol Flags Type St Inode Path
  return table.split('\n').some(line => line.endsWith(` ${path}`) && (parseInt(line.split(/\s+/)[3] ?? '', 16) & UNIX_LISTENS) !== 0)
}

function hasPort (table: string, port: number): boolean {
  // sl local_address rem_address st ...
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return table.split('\n').some(line => {
    const [, local = '', , state] = line.trim().split(/\s+/)
    return state === TCP_LISTENS && local.endsWith(end)
  })
}

function connects (where: { path: string } | { host: string, port: number }): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(where)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** A port of 127.0.0.1 on which nobody listens at present. */
export function freePort (): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0, exclusive: true }, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
