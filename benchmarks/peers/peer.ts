import { execFileSync, spawnSync } from 'node:child_process'
import type { Box, Running } from '../lib/box.ts'

/** How a peer reaches the origin. */
export type Transport = 'unix' | 'tcp'

/** Where the origins listen. */
export interface Origins {
  readonly scgiPath: string
  readonly scgiPort: number
  readonly httpPort: number
  /** The same, with the SCGI origin in Node.js, which can do more; undefined where it is that one anyway. */
  readonly special?: Origins
}

export interface StartedPeer {
  readonly running: Running
  /** TCP port at which it serves HTTP. */
  readonly port: number
}

/** A gateway under measurement. */
export interface Peer {
  readonly name: string
  readonly transports: readonly Transport[]
  /** A compiled program, as fast at its first request as at any other. */
  readonly native?: boolean
  /** Its version, or undefined when it is not installed. */
  version (): string | undefined
  start (box: Box, origins: Origins, transport: Transport, core: number | undefined): Promise<StartedPeer>
}

/** What a program says of itself; undefined when it is not there. Some print on standard error, some end with 1. */
export function programVersion (program: string, args: readonly string[], pattern: RegExp): string | undefined {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, PATH: searchPath } })
  return pattern.exec(`${stdout}\n${stderr}`)?.[1]
}

// Debian puts servers where the PATH of an ordinary user does not look.
const searchPath = `${process.env.PATH ?? ''}:/usr/sbin:/usr/local/sbin`

/** Full path of a program; its name as it is when it is not found. */
export function programPath (program: string): string {
  try {
    return execFileSync('/bin/sh', ['-c', 'command -v "$0"', program], { encoding: 'utf8', env: { ...process.env, PATH: searchPath } }).trim()
  } catch {
    return program
  }
}
