import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { isRecord } from '../options/checks.ts'
import { show } from '../options/units.ts'
import { codeOf } from '../runtime/caught.ts'
import type { GatewayMount } from '../../types/config.ts'

/** What a directory of an option is for. The first request that needs it is late to find that it is missing. */
type Use = 'read' | 'written' | 'made'

interface Wanted {
  readonly option: string
  readonly path: string
  readonly use: Use
}

const EXPECTED: Record<Use, string> = {
  read: 'a directory that exists and can be read',
  written: 'a directory that exists and can be written',
  made: 'a directory that can be written, or made',
}

/**
 * Looks for the directories that mounts name.
 * @throws FST_SCGI_OPT_INVALID
 */
export async function checkDirectories (mounts: readonly GatewayMount[]): Promise<void> {
  for (const [index, mount] of mounts.entries()) {
    for (const { option, path, use } of directoriesOf(mount)) {
      const failure = await whyNot(resolve(path), use)
      if (failure !== undefined) throw new FST_SCGI_OPT_INVALID(`mounts[${index}].${option}`, show(path), `${EXPECTED[use]} (${failure})`)
    }
  }
}

function directoriesOf (mount: unknown): Wanted[] {
  if (!isRecord(mount)) return []
  const { buffering, requestBuffering, sendfile, store, internal } = mount
  return [
    ...tempPathOf('buffering', buffering),
    ...tempPathOf('requestBuffering', requestBuffering),
    ...(isRecord(sendfile) ? textsOf(sendfile['root']).map(path => ({ option: 'sendfile.root', path, use: 'read' as const })) : []),
    ...(isRecord(store) ? textsOf(store['root']).map(path => ({ option: 'store.root', path, use: 'made' as const })) : []),
    ...Object.entries(isRecord(internal) ? internal : {}).flatMap(([place, root]) =>
      textsOf(root).map(path => ({ option: `internal['${place}']`, path, use: 'read' as const }))),
  ]
}

function tempPathOf (option: string, value: unknown): Wanted[] {
  const tempPath = isRecord(value) ? value['tempPath'] : undefined
  return textsOf(isRecord(tempPath) ? tempPath['path'] : tempPath).map(path => ({ option: `${option}.tempPath`, path, use: 'written' }))
}

function textsOf (value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).filter((one: unknown) => typeof one === 'string')
}

/** Why it cannot be used: the code of the system. */
async function whyNot (path: string, use: Use): Promise<string | undefined> {
  try {
    if (!(await stat(path)).isDirectory()) return 'ENOTDIR'
    await access(path, constants.X_OK | (use === 'read' ? constants.R_OK : constants.W_OK))
    return undefined
  } catch (error) {
    const code = codeOf(error)
    return use === 'made' && code === 'ENOENT' && path !== dirname(path) ? await whyNot(dirname(path), use) : code
  }
}
