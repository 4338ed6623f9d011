import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { show } from '../options/units.ts'
import type { SpawnSettings } from './options.ts'

/** Numbers of user and group; `undefined` for those of this process. */
export interface Identity {
  readonly uid: number | undefined
  readonly gid: number | undefined
}

/**
 * Finds the numbers of the user and the group that an application is to run as.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED
 */
export async function findIdentity (option: string, { user, group }: Pick<SpawnSettings, 'user' | 'group'>): Promise<Identity> {
  let uid: number | undefined
  let gid: number | undefined
  if (user !== undefined) {
    const entry = await find('passwd', user)
    if (entry === undefined && typeof user === 'string') throw new FST_SCGI_OPT_INVALID(`${option}.user`, show(user), 'a user of this system')
    uid = entry?.id ?? Number(user)
    gid = entry?.group
  }
  if (group !== undefined) {
    const entry = await find('group', group)
    if (entry === undefined && typeof group === 'string') throw new FST_SCGI_OPT_INVALID(`${option}.group`, show(group), 'a group of this system')
    gid = entry?.id ?? Number(group)
  }
  const own = { uid: process.getuid?.(), gid: process.getgid?.() }
  if (own.uid !== 0) {
    refuse(`${option}.user`, uid, own.uid, 'user')
    refuse(`${option}.group`, gid, own.gid, 'group')
    // The system would refuse even to set what there is.
    return { uid: undefined, gid: undefined }
  }
  return { uid, gid }
}

function refuse (option: string, wanted: number | undefined, own: number | undefined, what: string): void {
  if (wanted === undefined || wanted === own) return
  throw new FST_SCGI_OPT_UNSUPPORTED(option, `only root may start a process as another ${what}, and this process runs as ${what} ${own ?? 'unknown'}`)
}

interface Entry {
  readonly id: number
  /** Of a user: the primary group. */
  readonly group: number | undefined
}

/** An entry by name or number; `undefined` if there is none. */
async function find (database: 'passwd' | 'group', key: string | number): Promise<Entry | undefined> {
  // getent asks everybody who knows users, LDAP as well; systems without it have the file.
  const text = await getent(database, String(key)) ?? await readFile(`/etc/${database}`, 'utf8').catch(() => '')
  for (const line of text.split('\n')) {
    const [name, , id = '', group = ''] = line.split(':')
    if (id === '' || (typeof key === 'number' ? Number(id) !== key : name !== key)) continue
    return { id: Number(id), group: database === 'passwd' && group !== '' ? Number(group) : undefined }
  }
  return undefined
}

function getent (database: string, key: string): Promise<string | undefined> {
  return new Promise(resolve => {
    execFile('getent', [database, key], (error, stdout) => resolve(error === null ? stdout : undefined))
  })
}
