import cluster from 'node:cluster'
import { chmodSync, chownSync, fstatSync, readFileSync } from 'node:fs'
import { lookup } from 'node:dns/promises'
import { lstat, unlink } from 'node:fs/promises'
import { connect, type ListenOptions, type Server } from 'node:net'
import { namePipe } from './handles.ts'
import { codeOf } from '../runtime/caught.ts'
import { StartError } from './errors.ts'
import { showPlace, type Place, type UnixPlace } from './read-listen.ts'

/** The first descriptor that systemd passes. (sd_listen_fds) */
const FIRST_FD = 3

/** One socket to open: a place may have several. */
export interface Binding {
  /** As it was written. */
  readonly place: Place
  readonly options: ListenOptions & { readonly fd?: number }
  /** It may fail, and the others of its place serve: localhost is ::1 only where there is IPv6. */
  readonly optional: boolean
}

/**
 * The sockets of a place: the addresses of localhost, the descriptors of systemd.
 * @throws StartError
 */
export async function bindingsOf (place: Place): Promise<Binding[]> {
  if ('path' in place) return [{ place, options: { path: place.path, backlog: place.backlog }, optional: false }]
  if ('fd' in place) return [{ place, options: { fd: place.fd }, optional: false }]
  if ('systemd' in place) return passedBySystemd(place.systemd).map(fd => ({ place, options: { fd }, optional: false }))
  const { host, port, backlog } = place
  if (host !== 'localhost') return [{ place, options: { host, port, backlog }, optional: false }]
  let found
  try {
    found = await lookup(host, { all: true })
  } catch (error) {
    throw explainListen(place, error)
  }
  const hosts = [...new Set(found.map(({ address }) => address))]
  return hosts.map((address, index) => ({ place, options: { host: address, port, backlog }, optional: index > 0 }))
}

/**
 * The descriptors that systemd passes to this process, those of a name or all.
 * @throws StartError
 */
export function passedBySystemd (name: string | true, env: NodeJS.ProcessEnv = process.env): number[] {
  const count = Number(env.LISTEN_FDS)
  if (env.LISTEN_FDS === undefined || !Number.isInteger(count) || count < 1) {
    throw new StartError('cannot listen on systemd: it has passed no sockets (LISTEN_FDS): start the gateway by its socket unit')
  }
  if (env.LISTEN_PID !== undefined && Number(env.LISTEN_PID) !== process.pid) {
    throw new StartError(`cannot listen on systemd: its sockets are for process ${env.LISTEN_PID}, and this is ${process.pid}: have ExecStart= run node or fastify-scgi itself, not npm or a shell`)
  }
  const names = (env.LISTEN_FDNAMES ?? '').split(':')
  const found = Array.from({ length: count }, (_, index) => index).filter(index => name === true || names[index] === name)
  if (found.length === 0) throw new StartError(`cannot listen on systemd:${name}: it has passed sockets of other names only: ${names.join(', ') || 'none'}`)
  return found.map(index => FIRST_FD + index)
}

/**
 * Has a server listen. A socket file that a dead process left behind is removed before, mode and group are set.
 * @throws StartError
 */
export async function listenOn (server: Server, { place, options }: Binding): Promise<void> {
  const unix = 'path' in place ? place : undefined
  try {
    // The workers of somebody else's cluster share their socket.
    if (unix !== undefined && cluster.isPrimary) await removeStaleSocket(place, unix.path)
    // Node.js knows no path of a unix socket that was opened elsewhere; Fastify looks at where its server listens.
    if (options.fd !== undefined) namePipe(server, pathOfSocket(options.fd) ?? showPlace(place))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      const listen = (): void => {
        server.listen(options, () => {
          server.off('error', reject)
          resolve()
        })
      }
      if (unix?.mode === undefined) listen()
      else withMask(0o777 & ~unix.mode, listen)
    })
    if (unix !== undefined) giveSocket(unix)
  } catch (error) {
    if (server.listening) server.close()
    throw error instanceof StartError ? error : explainListen(place, error)
  }
}

/** Nobody may connect before the mode is what it is to be. */
function withMask (mask: number, open: () => void): void {
  const before = process.umask(mask)
  try {
    open()
  } finally {
    process.umask(before)
  }
}

/**
 * Sets mode and group of a unix socket, as far as something is said of them.
 * @throws StartError
 */
export function giveSocket ({ path, mode, gid }: Pick<UnixPlace, 'path' | 'mode' | 'gid'>): void {
  try {
    if (gid !== undefined) chownSync(path, -1, gid)
    if (mode !== undefined) chmodSync(path, mode)
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw error
    throw new StartError(`cannot listen on unix:${path}: this user may not give the socket to group ${gid}: be a member of it, or leave 'group' out`)
  }
}

/**
 * Removes a socket file that a process left behind when it died. One that is in use, and a file that is no socket, are left alone.
 * @throws StartError
 */
async function removeStaleSocket (place: Place, path: string): Promise<void> {
  let isSocket
  try {
    isSocket = (await lstat(path)).isSocket()
  } catch {
    // There is none, or listen() will say what is wrong.
    return
  }
  if (!isSocket) throw new StartError(`cannot listen on unix:${path}: there is a file of that name which is no socket`)
  const failure = await tryConnect(path)
  if (failure === 'ECONNREFUSED') await unlink(path)
  else if (failure === undefined || failure === 'EAGAIN') throw inUse(place)
  else if (failure === 'EACCES') throw new StartError(`cannot listen on unix:${path}: a socket of another user is there`)
}

/** Connects and closes again; the error code where that fails. */
function tryConnect (path: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', error => resolve(codeOf(error) || 'unknown'))
  })
}

function inUse (place: Place): StartError {
  return Object.assign(new StartError(`cannot listen on ${showPlace(place)}: the address is in use; stop the process that listens there, or choose another place to listen`), { code: 'EADDRINUSE' })
}

/** What a failed listen() means. */
export function explainListen (place: Place, error: unknown): StartError {
  const code = codeOf(error)
  if (code === 'EADDRINUSE') return inUse(place)
  const unix = 'path' in place
  const inherited = 'no socket that listens: whoever starts the gateway passes it'
  const reasons: Record<string, string> = {
    EACCES: unix ? 'its directory does not exist, or may not be written' : 'no permission: a port below 1024 needs privileges',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'the name does not resolve',
    EAI_AGAIN: 'the name does not resolve',
    ENOENT: 'its directory does not exist',
    EBADF: inherited,
    ENOTSOCK: inherited,
    EEXIST: inherited,
    // A path that is too long for the system comes back as an invalid argument.
    EINVAL: unix ? 'the path is too long for a socket' : 'port' in place ? 'invalid address' : inherited,
  }
  return new StartError(`cannot listen on ${showPlace(place)}: ${reasons[code] ?? (error instanceof Error ? error.message : String(error))}`)
}

/** Where clients find it. */
export function urlOf (server: Server, scheme: string): string {
  const address = server.address()
  if (typeof address === 'string') return `unix:${address}`
  if (address === null) return ''
  return `${scheme}://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}

function pathOfSocket (fd: number): string | undefined {
  try {
    const inode = String(fstatSync(fd).ino)
    // Num RefCount Protocol Flags Type St Inode Path
    const line = readFileSync('/proc/net/unix', 'utf8').split('\n').find(one => one.split(/\s+/)[6] === inode)
    return line?.split(/\s+/).slice(7).join(' ') || undefined
  } catch {
    // No Linux.
    return undefined
  }
}
