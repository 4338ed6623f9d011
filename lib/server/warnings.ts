import type { Socket } from 'node:net'

/** Is told of what a server has refused. */
export type Warn = (error: Error, socket: Socket) => void

/** Anybody who reaches the port can cause a line: not more than one in so many milliseconds. */
const INTERVAL = 1000

/** Writes what was refused as process warnings. */
export class Warnings {
  #next = 0
  #left = 0

  add (error: Error, socket: Socket): void {
    const now = performance.now()
    if (now < this.#next) {
      this.#left++
      return
    }
    this.#next = now + INTERVAL
    const left = this.#left === 0 ? '' : `; ${this.#left} more since the last warning`
    this.#left = 0
    process.emitWarning(`${describe(error, socket)}${left}`, { type: 'ScgiServerWarning', code: codeOf(error) })
  }
}

/** One line about a request that was refused. */
export function describe (error: Error, { remoteAddress, remotePort }: Socket): string {
  return `an SCGI request was refused${remoteAddress === undefined ? '' : ` (from ${remoteAddress} port ${remotePort})`}: ${error.message}`
}

function codeOf (error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
