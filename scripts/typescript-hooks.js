// What was compiled once is kept below node_modules: a test run starts some 300 processes, and each of them loads all of `lib/`.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bundle, BUNDLE_URL, takesAll } from './typescript-bundle.js'

const KEPT = new URL('../node_modules/.cache/fastify-scgi/compiled/', import.meta.url)
mkdirSync(KEPT, { recursive: true })

/** The modules that are made rather than compiled from one file, by URL: set by the program that is started. */
let made

/** Compiles all that a test may load. */
export async function compileAll () {
  const root = new URL('../', import.meta.url)
  const compiling = ['lib', 'types', 'test', 'scripts', 'benchmarks'].flatMap(directory =>
    readdirSync(new URL(directory, root), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts')).map(name => compiled(fileURLToPath(new URL(`${directory}/${name}`, root)))))
  // A file with a fault in it tells of it where it is loaded.
  await Promise.allSettled([...compiling, bundle(KEPT)])
}

/** Imports name the file with its extension, so there is nothing to look for. */
export async function resolve (specifier, context, next) {
  if (specifier === BUNDLE_URL) return { url: specifier, format: 'module', shortCircuit: true }
  if (context.parentURL === undefined) {
    const entry = await next(specifier, context)
    made ??= entry.url.endsWith('.ts') && takesAll(fileURLToPath(entry.url)) ? bundle(KEPT) : {}
    return entry
  }
  if (!specifier.startsWith('.') || !specifier.endsWith('.ts')) return next(specifier, context)
  return { url: new URL(specifier, context.parentURL).href, format: 'module', shortCircuit: true }
}

export async function load (url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  return { format: 'module', source: (await made)?.[url] ?? await compiled(fileURLToPath(url)), shortCircuit: true }
}

async function compiled (file) {
  const { mtimeMs, size } = statSync(file)
  const kept = new URL(createHash('sha1').update(`${file}\0${mtimeMs}\0${size}`).digest('hex'), KEPT)
  try {
    return readFileSync(kept)
  } catch {
    const { transform } = await import('esbuild')
    const { code } = await transform(readFileSync(file), {
      loader: 'ts', format: 'esm', target: 'node20', sourcefile: file, sourcemap: 'inline', sourcesContent: false, supported: { using: false },
    })
    // Another process may be at the same file.
    const own = new URL(`${kept.href}.${process.pid}`)
    writeFileSync(own, code)
    renameSync(own, kept)
    return code
  }
}
