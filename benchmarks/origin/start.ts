import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { note } from '../lib/bench.ts'
import { kinds, makeReply, scgiBytes } from './replies.ts'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'
import type { Box, Running } from '../lib/box.ts'
import type { Origins } from '../peers/peer.ts'

/** Compiles the SCGI origin in C, and writes its replies; undefined where there is no compiler. */
function compileOrigin (box: Box): [program: string, replies: string] | undefined {
  const program = join(box.dir, 'origin-scgi')
  const source = fileURLToPath(new URL('./scgi.c', import.meta.url))
  const { status, error, stderr } = spawnSync('cc', ['-O2', '-o', program, source], { encoding: 'utf8' })
  if (status !== 0) {
    note(`the SCGI origin is the one in Node.js: cc ${error === undefined ? `failed: ${stderr}` : 'is not installed'}`)
    return undefined
  }
  const replies = join(box.dir, 'replies')
  mkdirSync(replies)
  for (const kind of kinds) {
    writeFileSync(join(replies, kind), scgiBytes(kind))
    // A connection that is kept needs a reply whose end is known.
    const hasLength = makeReply(kind).headers.some(([name]) => name === 'Content-Length')
    if (hasLength) writeFileSync(join(replies, `${kind}.keepalive`), scgiBytes(kind, true))
  }
  return [program, replies]
}

/** Starts what the gateways ask: SCGI in C where a compiler is, in Node.js, and HTTP. */
export async function startOrigins (box: Box, core: number | undefined, language: 'c' | 'node'): Promise<Origins> {
  const start = (name: string, ...args: string[]): Promise<Running> => {
    const path = fileURLToPath(new URL(`./${name}.ts`, import.meta.url))
    return box.start(`origin-${name}`, process.execPath, [...TYPESCRIPT, path, ...args], { core, announces: true })
  }
  const httpPort = Number((await start('http')).announced.port)
  const scgiPath = join(box.dir, 'scgi.sock')
  const scgi = await start('scgi', scgiPath)
  const special = { scgiPath, scgiPort: Number(scgi.announced.port), httpPort }
  const compiled = language === 'c' ? compileOrigin(box) : undefined
  if (compiled === undefined) return special
  const path = join(box.dir, 'scgi-c.sock')
  const fast = await box.start('origin-scgi-c', compiled[0], [compiled[1], path], { core, announces: true })
  return { scgiPath: path, scgiPort: Number(fast.announced.port), httpPort, special }
}
