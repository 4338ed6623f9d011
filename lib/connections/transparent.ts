import { closeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Socket, isIP } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { isFunction } from '../options/checks.ts'
import { toError } from '../runtime/caught.ts'

// Node.js cannot set IP_TRANSPARENT before it binds a socket. So the socket is made here, by the system's own functions, and given to it.

const PACKAGE = 'koffi'

/** As Linux has them, on every processor that Node.js runs on there. */
const AF_INET = 2
const AF_INET6 = 10
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const IPPROTO_IP = 0
const IP_TRANSPARENT = 19
const IP_BIND_ADDRESS_NO_PORT = 24
const IPPROTO_IPV6 = 41
const IPV6_TRANSPARENT = 75
const ON = Buffer.from(Int32Array.of(1).buffer)

export interface TransparentOptions {
  readonly localAddress: string
  readonly localPort?: number | undefined
  /** IP address of the server. */
  readonly host: string
}

/** Some are documented for net.connect(), which hands them to the constructor; its type lacks them. */
export type NewSocketOptions = NonNullable<ConstructorParameters<typeof Socket>[0]> & {
  onread?: { buffer: () => Buffer, callback: (length: number) => boolean }
  manualStart?: boolean
}

type Call = (...values: unknown[]) => unknown

/** The functions of the C library. */
interface System {
  readonly errno: Call
  readonly socket: Call
  readonly setsockopt: Call
  readonly bind: Call
  readonly inet_pton: Call
  readonly if_nametoindex: Call
}

let system: System | undefined

/**
 * Why no socket can be bound transparently to addresses of this one's family; `undefined` if it can.
 */
export function transparentObstacle (address: string): Error | undefined {
  try {
    closeSync(openSocket(load(), isIP(address)))
    return undefined
  } catch (error) {
    return toError(error)
  }
}

/**
 * A socket that is bound to an address which need not be this machine's, and that can connect to `host`.
 * @param make what makes it of the options that it gets
 * @throws what is missing on this machine; as Node.js does, an error with `code` and `syscall` for what the system refuses
 */
export function transparentSocket<S extends Socket> (
  { localAddress, localPort = 0, host }: TransparentOptions, make: (options: NewSocketOptions) => S
): S {
  const family = isIP(host)
  const libc = load()
  const fd = openSocket(libc, family)
  try {
    // The port is chosen when the connection is made, so that each server has all of them; an older kernel knows no better than to choose now.
    if (localPort === 0) libc.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, ON, ON.length)
    // As Node.js does before it binds.
    check(libc, 'setsockopt', libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, ON, ON.length))
    const name = socketAddress(libc, family, localAddress, localPort)
    check(libc, 'bind', libc.bind(fd, name, name.length), localAddress)
    // What there is to read before it is connected would be an error.
    return make({ fd, manualStart: true })
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** A socket that may be bound to any address of its family. */
function openSocket (libc: System, family: number): number {
  const fd = libc.socket(family === 6 ? AF_INET6 : AF_INET, SOCK_STREAM_CLOEXEC, 0)
  check(libc, 'socket', fd)
  try {
    const failed = family === 6
      ? libc.setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, ON, ON.length)
      : libc.setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, ON, ON.length)
    check(libc, 'setsockopt', failed, family === 6 ? 'IPV6_TRANSPARENT' : 'IP_TRANSPARENT',
      'this process has neither CAP_NET_RAW nor CAP_NET_ADMIN, one of which it needs')
    return Number(fd)
  } catch (error) {
    closeSync(Number(fd))
    throw error
  }
}

/** `struct sockaddr_in` or `sockaddr_in6`. */
function socketAddress (libc: System, family: number, address: string, port: number): Buffer {
  // bind() would say the same of the other family's.
  if (isIP(address) !== family) throw failure('bind', 'EINVAL', `${address} (the server's address is of the other family)`)
  const [host = '', zone] = address.split('%')
  const name = Buffer.alloc(family === 6 ? 28 : 16)
  new Uint16Array(name.buffer, name.byteOffset, 1)[0] = family === 6 ? AF_INET6 : AF_INET
  name.writeUInt16BE(port, 2)
  libc.inet_pton(family === 6 ? AF_INET6 : AF_INET, host, name.subarray(family === 6 ? 8 : 4))
  if (zone !== undefined) new Uint32Array(name.buffer, name.byteOffset + 24, 1)[0] = /^\d+$/.test(zone) ? Number(zone) : Number(libc.if_nametoindex(zone))
  return name
}

function check (libc: System, syscall: string, result: unknown, what = '', forbidden = ''): void {
  if (typeof result === 'number' && result >= 0) return
  const errno = Number(libc.errno())
  const code = getSystemErrorName(-errno)
  throw failure(syscall, code, code === 'EPERM' && forbidden !== '' ? `${what}: ${forbidden}` : what)
}

function failure (syscall: string, code: string, what: string): Error {
  const error: NodeJS.ErrnoException = new Error(`${syscall} ${code} ${what}`.trimEnd())
  error.code = code
  error.syscall = syscall
  return error
}

function load (): System {
  system ??= loadSystem()
  return system
}

function loadSystem (): System {
  if (process.platform !== 'linux') throw new Error(`it needs Linux, and this is ${process.platform}`)
  let loaded: unknown
  try {
    loaded = createRequire(import.meta.url)(PACKAGE)
  } catch (cause) {
    throw new Error(`the package '${PACKAGE}' is not installed: npm install ${PACKAGE}`, { cause })
  }
  const errno = method(loaded, 'errno')
  // Node.js itself is linked with the C library, whatever its file is called.
  const library = method(loaded, 'load')(null)
  const declare = method(library, 'func')
  const declared = (declaration: string): Call => callable(declare(declaration), declaration)
  return {
    errno,
    socket: declared('int socket(int, int, int)'),
    setsockopt: declared('int setsockopt(int, int, int, const void *, uint32_t)'),
    bind: declared('int bind(int, const void *, uint32_t)'),
    inet_pton: declared('int inet_pton(int, const char *, void *)'),
    if_nametoindex: declared('uint32_t if_nametoindex(const char *)'),
  }
}

function method (of: unknown, name: string): Call {
  if (typeof of !== 'object' || of === null) throw unusable(name)
  const found: unknown = Reflect.get(of, name)
  return callable(isFunction(found) ? found.bind(of) : found, name)
}

function callable (value: unknown, name: string): Call {
  if (!isFunction(value)) throw unusable(name)
  return value
}

function unusable (what: string): Error {
  return new Error(`the package '${PACKAGE}' has no ${what}: install another version`)
}
