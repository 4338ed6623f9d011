import { readFileSync, realpathSync } from 'node:fs'
import { register } from 'node:module'
import { extname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isRecord } from '../options/checks.ts'

/** What a worker's variable says if it is to load the configuration that the primary has kept, not that of the files. */
export const KEPT = 'kept'

interface Module {
  /** Where it is, links followed. */
  readonly url: string
  readonly format: string
  readonly source: string
}

/** By the URLs that they are asked for. */
type Modules = Record<string, Module>

/** What is imported by a path, and not by the name of a package. A comment that looks like it does no harm. */
const IMPORTS = /(?:\bfrom|\bimport|\bimport\s*\()\s*(['"])(\.{0,2}\/[^'"\n]+|file:[^'"\n]+)\1/g
/** What `import` finds first, where Node.js has not loaded any of it yet. */
const HOOKS = `
let modules
export function initialize (data) { modules = data }
export async function resolve (specifier, context, next) {
  const isPath = /^(?:\\.{0,2}\\/|file:)/.test(specifier)
  const found = isPath ? modules[new URL(specifier, context.parentURL).href] : undefined
  return found === undefined ? await next(specifier, context) : { url: found.url, format: found.format, importAttributes: context.importAttributes, shortCircuit: true }
}
export async function load (url, context, next) {
  const found = modules[url]
  return found === undefined ? await next(url, context) : { format: found.format, source: found.source, shortCircuit: true }
}`

/** Texts of files that the configuration names, by the paths that it names them by. */
const files = new Map<string, string>()
let modules: Modules = {}

/** Reads a file that a configuration names; what is kept of it comes first. */
export function readText (path: string): string {
  const text = files.get(path) ?? readFileSync(path, 'utf8')
  files.set(path, text)
  return text
}

/** The module of this file, and those that it imports by their paths, and they. Those that cannot be read are left out. */
export function modulesOf (path: string): Modules {
  const found: Modules = {}
  const add = (url: string): void => {
    if (Object.hasOwn(found, url)) return
    let source
    let real
    try {
      real = pathToFileURL(realpathSync(fileURLToPath(url))).href
      source = readFileSync(fileURLToPath(real), 'utf8')
    } catch {
      // Whoever imports it tells what is wrong.
      return
    }
    found[url] = found[real] = { url: real, format: formatOf(real, source), source }
    for (const [, , specifier = ''] of source.matchAll(IMPORTS)) add(new URL(specifier, real).href)
  }
  add(pathToFileURL(path).href)
  return found
}

function formatOf (url: string, source: string): string {
  const ending = extname(url)
  if (ending === '.json') return 'json'
  if (ending === '.mjs' || ending === '.mts') return ending === '.mjs' ? 'module' : 'module-typescript'
  if (ending === '.cjs') return 'commonjs'
  const isModule = /^\s*(?:import\b\s*[\w{*'"]|export\b\s*[\w{*])/m.test(source)
  if (ending === '.ts') return isModule ? 'module-typescript' : 'commonjs-typescript'
  return isModule ? 'module' : 'commonjs'
}

/** Keeps the sources of a configuration, before it is loaded. */
export function keepModules (path: string): void {
  modules = extname(path) === '.json' ? {} : modulesOf(path)
}

/** All that is kept, for another process. */
export function keptText (): string {
  return JSON.stringify({ modules, files: Object.fromEntries(files) })
}

/** From now on modules and files are what they were, whatever the disk has now. */
export function useKept (text: string): void {
  const kept: unknown = JSON.parse(text)
  if (!isRecord(kept) || !isRecord(kept.modules) || !isRecord(kept.files)) return
  for (const [path, content] of Object.entries(kept.files)) files.set(path, String(content))
  register(`data:text/javascript,${encodeURIComponent(HOOKS)}`, { data: kept.modules })
}
