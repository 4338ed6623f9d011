import { plain } from './plain-address.ts'
import type { Socket } from 'node:net'

/** Where a client's connection came in. */
export interface ServerEnd {
  /** An IP address; empty if there is none, as on a unix socket. */
  readonly address: string
  readonly port: number | ''
}

const END = Symbol('server end')

/** Most connections come in at the same place, and share what is known of it. */
let latest: ServerEnd = { address: '', port: '' }

/** It does not change while a connection stands; Node.js looks for the handle of the socket twice at each question, and every request has two. */
export function serverEnd (socket: Socket & { [END]?: ServerEnd }): ServerEnd {
  const known = socket[END]
  if (known !== undefined) return known
  const address = plain(socket.localAddress)
  const port = socket.localPort ?? ''
  if (latest.address !== address || latest.port !== port) latest = { address, port }
  socket[END] = latest
  return latest
}
