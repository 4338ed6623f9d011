import { spawnSync } from 'node:child_process'
import { basename, extname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { codeOf, toError } from '../runtime/caught.ts'
import { StartError } from './errors.ts'
import { modulesOf, readText } from './kept-source.ts'

/** What is looked for where no file is named. */
export const CONFIG_NAMES = ['gateway.config.mjs', 'gateway.config.js', 'gateway.config.json'] as const

/**
 * Loads a configuration file: the default export of a module (which may be a promise, or a function that gives it), or JSON.
 * @throws StartError
 */
export async function loadConfig (file: string): Promise<unknown> {
  const path = resolve(file)
  const { href } = pathToFileURL(path)
  try {
    if (extname(path) === '.json') return JSON.parse(readText(path))
    const module: unknown = await import(href)
    const config = typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined
    if (config === undefined) throw new Error('it has no default export: write export default defineGateway({ ... })')
    return await (typeof config === 'function' ? Reflect.apply(config, undefined, []) : config)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || (codeOf(error) === 'ERR_MODULE_NOT_FOUND' && toError(error).message.includes(`'${path}'`))) {
      throw new StartError(`cannot load the configuration ${file}: there is no such file`)
    }
    throw new StartError(`cannot load the configuration ${file}: ${toError(error).message}${placeOf(path, error)}`)
  }
}

/** Where a mistake of syntax is, of the file or of what it imports. `import` does not tell; Node.js does, of a file that it only checks. */
function placeOf (path: string, error: unknown): string {
  if (!(error instanceof SyntaxError) || extname(path) === '.json') return ''
  for (const url of new Set(Object.values(modulesOf(path)).map(module => module.url))) {
    if (url.endsWith('.json')) continue
    const file = fileURLToPath(url)
    const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: 10_000 })
    const [, line] = /^\S+:(\d+)\n/.exec(stderr) ?? []
    if (line !== undefined) return basename(file) === basename(path) ? ` (line ${line})` : ` (line ${line} of ${file})`
  }
  return ''
}
