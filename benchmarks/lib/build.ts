import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

function youngest (dir: string): number {
  return Math.max(0, ...readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => statSync(join(dir, name)).mtimeMs))
}

/** Builds the package when `dist` is missing or older than its sources, so that what is measured is what is there. */
export function buildIfStale (dist: string): void {
  const entry = join(dist, 'lib/index.js')
  const built = existsSync(entry) ? statSync(entry).mtimeMs : 0
  if (built > Math.max(youngest(join(root, 'lib')), youngest(join(root, 'types')))) return
  console.error('building: npm run build')
  try {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: ['ignore', 2, 2] })
  } catch (error) {
    // The compiler emits code in spite of type errors: with the sources half edited, measuring is still of use.
    if (!existsSync(entry)) throw error
    console.error('the build reports errors; what it emitted is measured')
  }
}
