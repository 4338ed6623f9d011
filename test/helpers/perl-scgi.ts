import { startRealServer } from './child.ts'
import type { RealServer } from './child.ts'
import { tempDir } from './temp.ts'

export const PERL_SCGI = ['/usr/bin/perl', '/usr/share/perl5/SCGI.pm']

export interface PerlScgi extends RealServer {
  /** Where it listens, as a gateway's address. */
  readonly address: string
}

/** Starts a Perl script with the path of a unix socket as its argument, on which it is to listen. */
export async function startPerlScgi (script: string): Promise<PerlScgi> {
  const dir = await tempDir()
  const socket = dir.socket('perl')
  const server = await startRealServer({ command: PERL_SCGI[0] ?? 'perl', args: [script, socket], dir, ready: [{ path: socket }] })
  return { ...server, address: `unix:${socket}`, [Symbol.asyncDispose]: server.stop }
}
