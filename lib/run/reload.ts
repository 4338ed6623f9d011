import { existsSync, readFileSync } from 'node:fs'
import { codeOf, toError } from '../runtime/caught.ts'
import { ask } from './control.ts'
import { StartError, UsageError } from './errors.ts'
import { CONFIG_NAMES, loadConfig } from './load-config.ts'
import { readConfig } from './read-config.ts'

/**
 * Tells a gateway to load its configuration anew: the one that runs by this file, or whose number is in this file.
 * @returns what happened to it
 * @throws StartError, UsageError
 */
export async function sendReload ({ config, pidFile }: { config: string | undefined, pidFile: string | undefined }): Promise<string> {
  if (pidFile !== undefined) return signal(pidFile)
  const file = config ?? CONFIG_NAMES.find(name => existsSync(name))
  if (file === undefined) throw new UsageError(`reload: which gateway? Name its file with --config, or --pid-file (there is no ${CONFIG_NAMES.join(', ')} here)`)
  const reply = await ask(file, 'reload')
  if (reply === undefined) {
    const known = readConfig(await loadConfig(file)).pidFile
    if (known !== undefined && existsSync(known)) return signal(known)
    throw new StartError(`no gateway of this user runs by ${file}: start it with fastify-scgi --config ${file}, or name its pid file with --pid-file`)
  }
  if (reply.error !== undefined) throw new StartError(`nothing is changed: ${String(reply.error)}`)
  return `reloaded: new workers of process ${String(reply.pid)} serve`
}

function signal (path: string): string {
  let text
  try {
    text = readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new StartError(`the pid file cannot be read: ${toError(error).message}`)
  }
  if (!/^[1-9]\d*$/.test(text)) throw new StartError(`the pid file ${path} holds no number of a process`)
  try {
    process.kill(Number(text), 'SIGHUP')
  } catch (error) {
    throw new StartError(codeOf(error) === 'ESRCH' ? `the process of ${path} (${text}) does not run` : `process ${text} cannot be signalled: ${toError(error).message}`)
  }
  return `process ${text} is told to reload: its log says how that goes`
}
