import { parseArgs, type ParseArgsConfig } from 'node:util'
import { nearest } from '../options/keys.ts'
import { codeOf, toError } from '../runtime/caught.ts'
import { UsageError } from './errors.ts'

/**
 * `parseArgs`, whose errors are wrong usage, and name the option that was probably meant.
 * @throws UsageError
 */
export function parse<Config extends ParseArgsConfig> (config: Config): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config)
  } catch (error) {
    // What follows the first sentence is advice about arguments that begin with a dash.
    const [message = ''] = toError(error).message.split('. ')
    throw new UsageError(codeOf(error) === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? message + meant(message, Object.keys(config.options ?? {})) : message)
  }
}

function meant (message: string, known: readonly string[]): string {
  const [, no = '', name] = /'--(no-)?([^']{2,})'/.exec(message) ?? []
  const option = name === undefined ? undefined : nearest(name, known)
  return option === undefined ? '' : ` (is '--${no}${option}' meant?)`
}
