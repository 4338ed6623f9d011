import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'

/**
 * Why tests that need a Debian package cannot run here: for node:test's option `skip`, false when the package is there.
 * Throws instead where `CI=true`: there nothing may be skipped.
 */
export function missingPackage (name: string, ...files: string[]): string | false {
  const missing = files.filter((file) => !existsSync(file))
  if (missing.length === 0) return false
  const reason = `the Debian package ${name} is not installed (no ${missing.join(', ')}): apt-get install ${name}`
  if (process.env['CI'] === 'true') throw new Error(`CI=true, and ${reason}`)
  return reason
}

/** The same inside a test: skips it and returns false when the package is missing. */
export function requirePackage (t: TestContext, name: string, ...files: string[]): boolean {
  const reason = missingPackage(name, ...files)
  if (reason !== false) t.skip(reason)
  return reason === false
}
