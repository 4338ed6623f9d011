import { readdir, readFile } from 'node:fs/promises'
import { codeOf } from '../runtime/caught.ts'

/** Those that start others while they are looked for are looked for again, so often. */
const ROUNDS = 5

/**
 * Kills every process that has a variable with this value in its environment, also one that has left its group and its session. Only Linux
 * shows the environment of others.
 */
export async function killMarked (variable: string, value: string): Promise<void> {
  const entry = `${variable}=${value}`
  for (let round = 0; round < ROUNDS; round++) {
    let found = false
    for (const pid of await readdir('/proc').catch(() => [])) {
      if (!/^\d+$/.test(pid) || !(await environmentOf(pid)).includes(entry)) continue
      found = true
      kill(Number(pid))
    }
    if (!found) return
  }
}

/** Nothing is seen of those of other users, and of those that have ended. */
async function environmentOf (pid: string): Promise<string[]> {
  return (await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')).split('\0')
}

function kill (pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error
  }
}
