import { readFileSync, readlinkSync } from 'node:fs'
import { codeOf } from './caught.ts'

/**
 * The pattern of a mark: the number of a process, when it began, and the namespace that its number is of. Numbers are used again, and
 * containers that share a directory of temporary files have the same ones.
 */
export const MARK = '(\\d{1,10})-(\\d{1,20})-(\\d{1,20})'

const MARKED = new RegExp(`^${MARK}$`)
/** Of 22 fields those after the name in parentheses, which may hold blanks. */
const START_FIELD = 19

const NAMESPACE = namespaceOfThis()

/** What the name of a file or directory of this process says of its maker. */
export const PROCESS_MARK = `${process.pid}-${startOf(process.pid) ?? '0'}-${NAMESPACE}`

/** The process of a mark has certainly ended. Of another namespace nothing is known from here. */
export function isOver (mark: string): boolean {
  const [, pid, start, namespace] = MARKED.exec(mark) ?? []
  if (pid === undefined || namespace !== NAMESPACE || mark === PROCESS_MARK) return false
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    return codeOf(error) === 'ESRCH'
  }
  const now = startOf(Number(pid))
  return start !== '0' && now !== undefined && now !== start
}

/** In ticks since the system began; `undefined` if the system does not tell. */
function startOf (pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[START_FIELD]
  } catch {
    return undefined
  }
}

function namespaceOfThis (): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'
  } catch {
    return '0'
  }
}
