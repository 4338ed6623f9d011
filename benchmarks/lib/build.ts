import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs'
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
  build(root, entry)
}

/**
 * Builds an earlier commit below a directory, with the packages that are installed now, and returns the path of its `dist`.
 * The repository is only read.
 */
export function buildCommit (revision: string, dir: string): string {
  const source = join(dir, 'baseline')
  mkdirSync(source)
  const archive = join(dir, 'baseline.tar')
  try {
    execFileSync('git', ['archive', '--format=tar', '-o', archive, `${revision}^{commit}`], { cwd: root, stdio: ['ignore', 2, 2] })
  } catch {
    throw new Error(`--baseline-commit: git cannot give the commit '${revision}'`)
  }
  execFileSync('tar', ['-xf', archive, '-C', source], { stdio: ['ignore', 2, 2] })
  symlinkSync(join(root, 'node_modules'), join(source, 'node_modules'))
  console.error(`building: commit ${revision}`)
  const dist = join(source, 'dist')
  build(source, join(dist, 'lib/index.js'))
  return dist
}

function build (cwd: string, entry: string): void {
  try {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd, stdio: ['ignore', 2, 2] })
  } catch (error) {
    // The compiler emits code in spite of type errors: with the sources half edited, measuring is still of use.
    if (!existsSync(entry)) throw error
    console.error('the build reports errors; what it emitted is measured')
  }
}
