// npm run build: compiles and joins the modules in a directory of its own, which then takes the place of dist/. A gateway that runs from dist/, or
// a second build, never finds half of it.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
// As deep as dist/: maps lead from there to the sources.
const fresh = mkdtempSync(join(root, '.dist-'))
chmodSync(fresh, 0o755) // other users may run what is in it
const old = `${fresh}-old`
try {
  // It emits code in spite of type errors. That is joined too: with the sources half edited, measuring is still of use.
  const tsc = fileURLToPath(import.meta.resolve('typescript/bin/tsc'))
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh], { cwd: root, stdio: 'inherit' })
  process.exitCode = status ?? 1
  await bundle(fresh)
  moveAway()
  renameSync(fresh, dist)
} finally {
  for (const path of [fresh, old]) rmSync(path, { recursive: true, force: true })
}

function moveAway (): void {
  try {
    renameSync(dist, old)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}
