import { METHODS } from 'node:http'
import { resolve, sep } from 'node:path'
import { binaryPath } from '../bytes/binary-path.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_STORE } from '../errors.ts'
import { atOnce } from '../options/functions.ts'
import { leadsUpwards } from '../http/path.ts'
import { parseHttpDate } from '../http/date.ts'
import { orSwitch } from '../options/checks.ts'
import { readRows } from '../options/read.ts'
import { STORE } from '../options/table/reply.ts'
import { STORE_PREFIX } from '../files/leftovers.ts'
import { MirrorFile, type MirrorPlace } from './store-file.ts'
import { toBytes, utf8 } from '../bytes/text.ts'
import { show } from '../options/units.ts'
import type { StoreOptions } from '../../types/store.ts'

export { MirrorFile } from './store-file.ts'

export type { StoreOptions } from '../../types/store.ts'

/** The part of a reply's head that is looked at. */
export interface StorableHead {
  readonly statusCode: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** What of a request decides whether its reply is stored. */
export interface StoreAsked {
  readonly method: string
  /** The application sees an Authorization. */
  readonly isAuthorized: boolean
  /** The application gets a body. */
  readonly hasBody: boolean
  /** QUERY_STRING is not empty. */
  readonly hasQuery: boolean
}

const PRIVATE = /(?:^|[\s,])(?:private|no-store)(?=$|[\s,;=])/i
const UNSAFE_BYTES = sep === '/' ? /\0/ : /[\0\\:]/
/** A slash that is kept as an escape, or what is written so that it is none: whoever serves the files would decode it and look elsewhere. */
const KEPT_SLASH = /%(?:25)*2f/i
const ACCESS_WORD = /^(user|group|all):(rw|r)$/
const SHIFT: Readonly<Record<string, number>> = { user: 6, group: 3, all: 0 }

/** A path that leads out of the root, or is none. */
function isUnsafe (path: string): boolean {
  return UNSAFE_BYTES.test(path) || leadsUpwards(path)
}

/** What is stored where, compiled from the option. */
export class Mirror<Request> {
  readonly #place: MirrorPlace
  readonly #path: StoreOptions<Request>['path']
  readonly #methods: ReadonlySet<string>
  readonly #slashesKept: boolean

  constructor (place: MirrorPlace, path: StoreOptions<Request>['path'], methods: ReadonlySet<string>, slashesKept: boolean) {
    this.#slashesKept = slashesKept
    this.#place = place
    this.#path = path
    this.#methods = methods
  }

  /**
   * Tells whether the reply to a request may be stored as far as the request goes: one of the methods, no Authorization. What decides
   * the reply decides the file: the body of a GET never does, and the query only where the user gives the path.
   */
  takes ({ method, isAuthorized, hasBody, hasQuery }: StoreAsked): boolean {
    return this.#methods.has(method) && !isAuthorized && !(hasBody && method === 'GET') && !(hasQuery && this.#path === undefined)
  }

  /**
   * Tells whether a reply may be stored: status 200, and nothing in it that is for one client only (Set-Cookie, Cache-Control with
   * `private` or `no-store`), nor a Vary, unless the user gives the path.
   */
  shouldStore ({ statusCode, headers }: StorableHead): boolean {
    if (statusCode !== 200 || headers['set-cookie'] !== undefined) return false
    if (headers['vary'] !== undefined && this.#path === undefined) return false
    const control = headers['cache-control']
    return control === undefined || !(typeof control === 'string' ? PRIVATE.test(control) : control.some(line => PRIVATE.test(line)))
  }

  /**
   * Begins to store a reply; `undefined` if its path is none to store under. Nothing is opened before the first byte or the commit.
   *
   * @param pathInfo the percent-decoded PATH_INFO, a binary string; used where the option has no `path`
   * @throws FST_SCGI_STORE if the option's function throws, gives no string, or a path that leaves the root
   */
  begin (request: Request, pathInfo: string, head: StorableHead): MirrorFile | undefined {
    const names = this.#names(request, pathInfo)
    if (names === undefined) return undefined
    const date = head.headers['last-modified']
    return new MirrorFile(this.#place, names, typeof date === 'string' ? parseHttpDate(date) : undefined)
  }

  #names (request: Request, pathInfo: string): string[] | undefined {
    if (this.#path === undefined) {
      const path = binaryPath(pathInfo)
      // Where slashes are not merged, another path has the same file.
      return isUnsafe(path) || path.includes('//') || (this.#slashesKept && KEPT_SLASH.test(path)) ? undefined : namesOf(path)
    }
    let path: unknown = this.#path
    if (typeof path === 'function') {
      try {
        path = path(request)
      } catch (cause) {
        throw Object.assign(new FST_SCGI_STORE('store.path', 'the function failed'), { cause })
      }
      if (path === undefined || path === '') return undefined
    }
    if (typeof path !== 'string') throw new FST_SCGI_STORE('store.path', `the function gave ${show(path)}, which is no path`)
    if (isUnsafe(path)) throw new FST_SCGI_STORE(show(path), 'the path leaves the root, or holds a NUL')
    return namesOf(toBytes(path))
  }
}

/** The parts of a path; `undefined` for one that names no file, or one that is still being written. */
function namesOf (path: string): string[] | undefined {
  if (path.endsWith('/') || path.endsWith('/.')) return undefined
  const names = path.split('/').filter(name => name !== '' && name !== '.')
  return names.length === 0 || names[0]?.toLowerCase().startsWith(STORE_PREFIX) === true ? undefined : names
}

/**
 * Checks the option `store`.
 *
 * @param tempPath directory of unfinished files, made where it is missing; the one above it must be there. Default: the root, where a
 *   crash may leave some, named `.scgi-store-*`, until the next process starts; from another file system a complete file is copied beside its target, and then renamed
 * @param slashesKept PATH_INFO has escaped slashes as `%2F`
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function compileStore<Request> (options: StoreOptions<Request>, tempPath?: string, slashesKept = false): Mirror<Request> {
  if (typeof options !== 'object' || options === null) {
    throw new FST_SCGI_OPT_INVALID('store', show(options), orSwitch(options, "false, or an object with the option 'root', such as { root: '/srv/www' }"))
  }
  const { root, access } = readRows(STORE, options, 'store', 'it')
  const { path, methods = ['GET'] } = options
  if (typeof path !== 'string' ? path !== undefined && typeof path !== 'function' : isUnsafe(path) || namesOf(path) === undefined) {
    throw new FST_SCGI_OPT_INVALID('store.path', show(path), 'the path of a file below store.root, or a function that gives one')
  }
  const fileMode = parseAccess(access)
  const place: MirrorPlace = {
    root: utf8(resolve(root)),
    tempPath: tempPath === undefined ? undefined : utf8(resolve(tempPath)),
    fileMode,
    // We have to get into them ourselves.
    directoryMode: 0o700 | fileMode | ((fileMode & 0o444) >> 2),
  }
  return new Mirror(place, typeof path === 'function' ? atOnce('store.path', path) : path, parseMethods(methods), slashesKept)
}

function parseMethods (methods: unknown): ReadonlySet<string> {
  if (!Array.isArray(methods) || methods.length === 0 || methods.some(method => method === 'HEAD' || !METHODS.includes(method))) {
    throw new FST_SCGI_OPT_INVALID('store.methods', show(methods), "a list of methods such as ['GET'], without HEAD, whose replies have no body")
  }
  return new Set(methods)
}

function parseAccess (access: unknown): number {
  let mode = NaN
  if (typeof access === 'number') mode = access
  else if (typeof access === 'string') mode = /^0?[0-7]{3}$/.test(access) ? Number.parseInt(access, 8) : modeOfWords(access.trim().split(/\s+/))
  // A decimal 644 is caught here: as a mode it has bits that no file of data needs.
  if (Number.isInteger(mode) && mode >= 0 && (mode & ~0o666) === 0 && (mode & 0o600) !== 0) return mode
  throw new FST_SCGI_OPT_INVALID('store.access', show(access), "words such as 'user:rw group:r all:r', or a mode such as 0o644 or '644'")
}

function modeOfWords (words: readonly string[]): number {
  let mode = 0
  const seen = new Set<string>()
  for (const word of words) {
    const [, who = '', rights] = ACCESS_WORD.exec(word) ?? []
    if (who === '' || seen.has(who)) return NaN
    seen.add(who)
    mode |= (rights === 'rw' ? 6 : 4) << (SHIFT[who] ?? 0)
  }
  return seen.has('user') ? mode : mode | 0o600
}
