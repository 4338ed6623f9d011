// A test that takes the whole plugin loads several hundred modules, and the hooks thread is asked for each import of each of them. So what
// `lib/index.ts` imports is kept as one module, and each of its files only passes on what that module exports: nothing is there twice.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { linesOnly } from './line-map.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const INDEX = resolve(ROOT, 'lib/index.ts')
/** Where the one module is said to be: what it requires is looked for from there. */
export const BUNDLE_URL = pathToFileURL(resolve(ROOT, 'lib/index.bundle.ts')).href

/** Whether a file is a test that imports the whole plugin, itself or by its helpers. Coverage counts by file, so there it never is. */
export function takesAll (entry) {
  if (process.env.NODE_V8_COVERAGE !== undefined || relative(ROOT, entry).split(/[\\/]/)[0] !== 'test') return false
  const files = new Set([entry])
  for (const file of files) {
    for (const [, name] of readFileSync(file, 'utf8').matchAll(/^(?!import type ).*?(?:from|import)[ (]'(\.[^']*\.ts)'/gm)) {
      const imported = resolve(dirname(file), name)
      if (imported === INDEX) return true
      if (relative(ROOT, imported).startsWith('test')) files.add(imported)
    }
  }
  return false
}

/** Tells `lib` and `types` from what they are once a file of them has changed. */
export function stateOf () {
  const hash = createHash('sha1')
  for (const directory of ['lib', 'types']) {
    for (const name of readdirSync(resolve(ROOT, directory), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue
      const { mtimeMs, size } = statSync(resolve(ROOT, directory, name))
      hash.update(`${name}\0${mtimeMs}\0${size}\0`)
    }
  }
  return hash.digest('hex')
}

/**
 * The one module, and those that pass on its exports, by their URLs.
 * @param kept the directory where they stay until a file of `lib` changes
 */
export async function bundle (kept) {
  const state = process.env.FASTIFY_SCGI_TEST_STATE ?? stateOf()
  // Checkouts may share their packages, and so this directory.
  const file = new URL(`bundle-${createHash('sha1').update(ROOT).digest('hex')}.json`, kept)
  const found = readKept(file)
  if (found?.state === state) return found.modules
  const modules = await make()
  // Another process may be at it, too.
  const own = new URL(`${file.href}.${process.pid}`)
  writeFileSync(own, JSON.stringify({ state, modules }))
  renameSync(own, file)
  return modules
}

function readKept (file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

async function make () {
  const { build } = await import('esbuild')
  const options = {
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    outdir: ROOT,
    keepNames: true,
    supported: { using: false },
    logLevel: 'error',
    // What is loaded later, if at all, stays a module of its own.
    plugins: [{
      name: 'later',
      setup ({ onResolve }) {
        onResolve({ filter: /^\..*\.ts$/ }, ({ kind, path, resolveDir }) => kind === 'dynamic-import'
          ? { path: pathToFileURL(resolve(resolveDir, path)).href, external: true }
          : undefined)
      },
    }],
  }
  const { metafile: { inputs } } = await build({ ...options, entryPoints: [INDEX] })
  const names = Object.keys(inputs)
  const { metafile: { outputs } } = await build({ ...options, entryPoints: names, splitting: true, outbase: ROOT })
  const exported = new Map(Object.values(outputs).map(({ entryPoint, exports }) => [entryPoint, exports]))
  const modules = {}
  let contents = ''
  for (const [index, name] of names.entries()) {
    const passed = exported.get(name) ?? []
    // A name may be any string.
    const list = passed.map((one, place) => [JSON.stringify(one), `m${index}_${place}`])
    contents += `export { ${list.map(([one, alias]) => `${one} as ${alias}`).join(', ')} } from './${name}'\n`
    const back = list.map(([one, alias]) => `${alias} as ${one}`).join(', ')
    modules[pathToFileURL(resolve(ROOT, name)).href] = `export { ${back} } from ${JSON.stringify(BUNDLE_URL)}\n`
  }
  const { outputFiles: [{ text: map }, { text }] } = await build({
    ...options, stdin: { contents, resolveDir: ROOT, loader: 'js' }, sourcemap: 'external', sourcesContent: false, outfile: 'lib/index.bundle.ts', outdir: undefined,
  })
  const { version, sources, mappings } = JSON.parse(map)
  const lines = JSON.stringify({ version, sources, names: [], mappings: linesOnly(mappings) })
  modules[BUNDLE_URL] = `${text}//# sourceMappingURL=data:application/json;base64,${Buffer.from(lines).toString('base64')}\n`
  return modules
}
