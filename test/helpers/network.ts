import { spawnSync } from 'node:child_process'

/**
 * Why this process cannot have a network of its own: for node:test's option `skip`, false where it can. Throws instead where `CI=true`:
 * there nothing may be skipped.
 */
export function missingNetwork (): string | false {
  if (spawnSync('unshare', ['-n', 'true']).status === 0) return false
  const reason = 'a network namespace of its own (unshare -n) needs Linux, and root'
  if (process.env['CI'] === 'true') throw new Error(`CI=true, and ${reason}`)
  return reason
}
