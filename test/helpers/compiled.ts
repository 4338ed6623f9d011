import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { ROOT } from './snippets.ts'
import type TypeScript from 'typescript'

/** Below the project, where its packages are found. */
const OUT = join(ROOT, 'coverage', 'compiled')
const done = new Set<string>()

/** Whether `dist/` was built of the sources as they are. */
let fresh: boolean | undefined

/** The file of `dist/` that an entry point of the package is built to, if it is built: its few joined files start faster still. */
function built (entry: string): string | undefined {
  const name = `./dist/${entry.replace(/\.ts$/, '.js')}`
  if (!readFileSync(join(ROOT, 'package.json'), 'utf8').includes(`"${name}"`)) return undefined
  fresh ??= isFresh()
  return fresh ? join(ROOT, name) : undefined
}

function isFresh (): boolean {
  const since = statSync(join(ROOT, 'dist/lib/run/bin.js'), { throwIfNoEntry: false })?.mtimeMs
  return since !== undefined && ['lib', 'types', 'scripts'].every(directory =>
    readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' }).every(name => statSync(join(ROOT, directory, name)).mtimeMs < since))
}

/**
 * Compiles a TypeScript file of the project and what it imports, for child processes: they need no compiler then, and start three times
 * as fast. What has not changed since the last time is left as it is, so that all test files share the work.
 * @returns the file to run
 */
export function compiled (entry: string): string {
  const output = built(entry)
  if (output !== undefined) return output
  const files = new Set([resolve(ROOT, entry)])
  for (const file of files) {
    if (done.has(file)) continue
    const source = readFileSync(file, 'utf8')
    for (const [, name = ''] of source.matchAll(/(?:from|import)[ (]['"](\.[^'"]*\.ts)['"]/g)) files.add(resolve(dirname(file), name))
    bringUp(file, source)
  }
  for (const file of files) done.add(file)
  return outFile(resolve(ROOT, entry))
}

function outFile (file: string): string {
  return join(OUT, relative(ROOT, file).replace(/\.ts$/, '.js'))
}

/** The time of the output is that of its source. */
function bringUp (file: string, source: string): void {
  const out = outFile(file)
  const { mtime } = statSync(file)
  if (statSync(out, { throwIfNoEntry: false })?.mtime.getTime() === mtime.getTime()) return
  // Loading the compiler takes a second, and mostly there is nothing to compile.
  const ts: typeof TypeScript = createRequire(import.meta.url)('typescript')
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, rewriteRelativeImportExtensions: true,
    },
  })
  mkdirSync(dirname(out), { recursive: true })
  // Another test file may be at it, too.
  const own = `${out}.${process.pid}`
  writeFileSync(own, outputText)
  utimesSync(own, mtime, mtime)
  try {
    renameSync(own, out)
  } finally {
    rmSync(own, { force: true })
  }
}
