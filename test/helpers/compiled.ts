import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { ROOT } from './snippets.ts'

/** A program of the tests as JavaScript, for child processes that start often: they need no compiler. */
export interface Compiled extends AsyncDisposable {
  /** The entry's file. */
  readonly path: string
}

/** Compiles a TypeScript file and what it imports. */
export async function compile (entry: string): Promise<Compiled> {
  // Below the project, where its packages are found.
  await mkdir(join(ROOT, 'coverage'), { recursive: true })
  const out = await mkdtemp(join(ROOT, 'coverage', 'compiled-'))
  const outFile = (file: string): string => join(out, relative(ROOT, file).replace(/\.ts$/, '.js'))
  const files = new Set([entry])
  for (const file of files) {
    const { outputText } = ts.transpileModule(await readFile(file, 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, rewriteRelativeImportExtensions: true,
      },
    })
    for (const [, name = ''] of outputText.matchAll(/from ['"](\.[^'"]*)\.js['"]/g)) files.add(`${join(dirname(file), name)}.ts`)
    await mkdir(dirname(outFile(file)), { recursive: true })
    await writeFile(outFile(file), outputText)
  }
  return { path: outFile(entry), [Symbol.asyncDispose]: () => rm(out, { recursive: true, force: true }) }
}
