import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'

const dir = fileURLToPath(new URL('../micro', import.meta.url))

/** Runs each file of benchmarks/micro in a process of its own; false when one of them fails. */
export async function runMicro (core: number | undefined): Promise<boolean> {
  let passed = true
  for (const file of readdirSync(dir).filter((name) => name.endsWith('.ts')).sort()) {
    console.log(`\n# ${file}`)
    const command = [process.execPath, ...TYPESCRIPT, join(dir, file)]
    const [program = '', ...args] = core === undefined ? command : ['taskset', '-c', String(core), ...command]
    const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, NODE_ENV: 'production' } })
    const [code] = await once(child, 'exit')
    if (code !== 0) passed = false
  }
  return passed
}
