import { BoundedMap } from './bounded-map.ts'
import { variantKey } from './vary.ts'
import type { HeaderValues } from '../../types/cache.ts'

export interface RememberedError {
  readonly key: string
  readonly statusCode: number
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly until: number
}

/** The headers in which the errors of a key differ. They are kept for as long as any of the errors. */
interface Names {
  readonly list: readonly string[]
  readonly until: number
  /** Of these names: errors are not found any more when their names were forgotten, also if there are others again. */
  readonly serial: number
}

const MAX_ENTRIES = 10_000
const MAX_LENGTH = 4 * 1024 * 1024

/** Errors that are told again instead of asking the application: each to those who would get the same variant of a key. */
export class RememberedErrors {
  readonly #errors = new BoundedMap<RememberedError>(MAX_ENTRIES, MAX_LENGTH)
  readonly #names = new BoundedMap<Names>(MAX_ENTRIES, MAX_LENGTH)
  #serial = 0

  get size (): number {
    return this.#errors.size
  }

  /** @param headers of the request; they are read only where a key's errors differ in some */
  get (key: string, headers: () => HeaderValues, now: number): RememberedError | undefined {
    if (this.#errors.size === 0) return undefined
    const text = this.#text(key, headers, now)
    return text === undefined ? undefined : this.#errors.get(text, now)
  }

  /** @param names of the headers in which this error, or the replies to the same key, differ */
  set (key: string, names: readonly string[], headers: () => HeaderValues, statusCode: number, now: number, until: number): void {
    const known = this.#names.get(key, now)
    const all: Names = {
      // In one order, whoever came first.
      list: [...new Set([...known?.list ?? [], ...names])].sort(),
      until: Math.max(until, known?.until ?? now),
      serial: known?.serial ?? ++this.#serial,
    }
    this.#names.set(key, all, all.until)
    this.#errors.set(textOf(key, all, headers), { key, statusCode, since: now, until }, until)
  }

  /** The requests that this one stands for have got a reply. */
  delete (key: string, headers: () => HeaderValues, now: number): void {
    if (this.#errors.size === 0) return
    const text = this.#text(key, headers, now)
    if (text !== undefined) this.#errors.delete(text)
  }

  /** Forgets the errors of the keys that a test is true for. */
  deleteKeys (test: (key: string) => boolean): void {
    this.#errors.deleteWhere((_, { key }) => test(key))
  }

  #text (key: string, headers: () => HeaderValues, now: number): string | undefined {
    const names = this.#names.get(key, now)
    return names === undefined ? undefined : textOf(key, names, headers)
  }
}

function textOf (key: string, { list, serial }: Names, headers: () => HeaderValues): string {
  const text = `${serial} ${key}`
  return list.length === 0 ? text : variantKey(text, list, headers())
}
