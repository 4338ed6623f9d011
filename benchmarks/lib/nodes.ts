import { spawnSync } from 'node:child_process'

/** A Node.js to run a peer on. */
export interface Node {
  readonly version: string
  readonly path: string
}

/** The Node.js of a major version: the one that runs the bench, or the one that npx has or gets; else why there is none. */
export function findNode (major: number): Node | string {
  if (process.version.startsWith(`v${major}.`)) return { version: process.version, path: process.execPath }
  const script = 'console.log(JSON.stringify({ version: process.version, path: process.execPath }))'
  const args = ['--yes', '--prefer-offline', '--package', `node@${major}`, '--', 'node', '-e', script]
  const { status, stdout, stderr, error } = spawnSync('npx', args, { encoding: 'utf8', timeout: 60_000 })
  if (status !== 0) return `npx cannot get it: ${error?.message ?? stderr.trim().split('\n')[0] ?? ''}`
  const found: Node = JSON.parse(stdout.trim())
  return found.version.startsWith(`v${major}.`) ? found : `npx gave ${found.version}`
}
