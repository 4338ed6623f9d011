import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { causedBy, FST_SCGI_SPAWN } from '../errors.ts'
import { codeOf, toError } from '../runtime/caught.ts'
import { nameOf, type SpawnSettings } from './options.ts'

/** Where programs are looked for without PATH. (execvp(3)) */
const DEFAULT_PATH = '/bin:/usr/bin'

/** The environment of an application, less what only its socket decides. */
export function environmentOf ({ env }: Pick<SpawnSettings, 'env'>): Record<string, string> {
  const all: Record<string, string> = {}
  for (const [name, value] of Object.entries({ ...process.env, ...env })) if (typeof value === 'string') all[name] = value
  return all
}

/**
 * Looks whether the application can be started, and says in one sentence why not: the system says ENOENT for half of all reasons.
 * @throws FST_SCGI_SPAWN
 */
export async function checkCommand (settings: SpawnSettings): Promise<void> {
  const { command, cwd = process.cwd() } = settings
  const name = nameOf(settings)
  const directory = await stat(cwd).catch((error: unknown) => {
    throw causedBy(new FST_SCGI_SPAWN(name, `its working directory ${cwd} ${codeOf(error) === 'ENOENT' ? 'does not exist' : `cannot be used (${codeOf(error)})`}: make it, or mend cwd`), error)
  })
  if (!directory.isDirectory()) throw new FST_SCGI_SPAWN(name, `its working directory ${cwd} is no directory: mend cwd`)
  if (command.includes('/')) {
    const path = isAbsolute(command) ? command : resolve(cwd, command)
    const error = await whyNot(path)
    if (error !== undefined) throw causedBy(new FST_SCGI_SPAWN(name, `${path} ${explain(error)}: mend command`), error)
    return
  }
  const places = (environmentOf(settings)['PATH'] ?? DEFAULT_PATH).split(':').map(place => place === '' ? cwd : resolve(cwd, place))
  let last: Error | undefined
  for (const place of places) {
    const error = await whyNot(join(place, command))
    if (error === undefined) return
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') last = error
  }
  throw new FST_SCGI_SPAWN(name, last === undefined
    ? `there is no command '${command}' in ${places.join(':')}: install it, or give its path`
    : `${command} ${explain(last)}: mend command`)
}

async function whyNot (path: string): Promise<Error | undefined> {
  try {
    const found = await stat(path)
    if (!found.isFile()) return Object.assign(new Error(`${path} is no file`), { code: 'EISDIR' })
    await access(path, constants.X_OK)
    return undefined
  } catch (error) {
    return toError(error)
  }
}

function explain (error: Error): string {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist'
  if (code === 'EACCES') return 'may not be executed'
  return code === 'EISDIR' ? 'is no file' : `cannot be executed (${code})`
}
