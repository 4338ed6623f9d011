import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { versionNumber } from '../../helpers/nginx.ts'
import { GATEWAY, outcome } from './row.ts'
import type { Difference, Outcome, Row, Skip } from './row.ts'
import type { Peer } from './peer.ts'

/** Where the rows' words for a gateway are wrong in themselves. */
export class RowError extends Error {}

/** What a row says about a gateway. */
export interface Expected {
  said: Outcome
  /** What is not compared, see `Difference.chance`. */
  chance: string[]
}

/** What a row says about a gateway, or why the row does not concern it. */
export function expected (row: Row, peer: Pick<Peer, 'name' | 'version'>): Expected | Skip {
  const base = outcome(row.expect)
  const said = peer.name === 'gateway' ? undefined : row[peer.name]
  if (said === undefined) return { said: base, chance: [] }
  if ('skip' in said) return said
  let result = base
  const chance: string[] = []
  for (const difference of Array.isArray(said) ? said : [said]) {
    const { before, since, knownTo } = difference
    if (before !== undefined && peer.version >= versionNumber(before)) continue
    if (since !== undefined && peer.version < versionNumber(since)) continue
    if (knownTo !== undefined && peer.version > versionNumber(knownTo)) {
      return { skip: `it changed in some version after ${knownTo} and before ${before}` }
    }
    result = differ(result, difference)
    chance.push(...difference.chance ?? [])
  }
  return { said: result, chance }
}

/** Every difference that a row writes down must be one. */
export function checkRow (row: Row): void {
  for (const said of [row.nginx, row.apache]) {
    if (said === undefined || 'skip' in said) continue
    for (const difference of Array.isArray(said) ? said : [said]) differ(outcome(row.expect), difference)
  }
}

function differ (base: Outcome, { why, chance, before, since, knownTo, ...fields }: Difference): Outcome {
  const result: Outcome = {
    ...base, ...fields, headers: { ...base.headers, ...fields.headers }, params: { ...base.params, ...fields.params },
  }
  // Where the gateway makes the response, or none comes, nothing is left of the application's headers.
  if (fields.headers !== undefined && Object.keys(fields.headers).length === 0) result.headers = {}
  // What `own()` empties may be empty already.
  const emptied = fields.body === GATEWAY ? ['headers', 'reason'] : []
  const same = Object.keys(fields).filter((field) => !emptied.includes(field) && equal(base, result, field))
  for (const map of ['headers', 'params'] as const) {
    for (const [name, value] of Object.entries(fields[map] ?? {})) {
      if (JSON.stringify(base[map][name]) === JSON.stringify(value)) same.push(`${map}.${name}`)
    }
  }
  if (same.length > 0) throw new RowError(`written as a difference, and the same: ${same.join(', ')} (${why})`)
  return result
}

function equal (a: Outcome, b: Outcome, field: string): boolean {
  return JSON.stringify(comparable(a)[field]) === JSON.stringify(comparable(b)[field])
}

/** With every map in the order of its names, and without what is not there. */
export function comparable (seen: Outcome): Record<string, unknown> {
  const sorted = (map: Outcome['headers']) =>
    Object.fromEntries(Object.entries(map).filter(([, value]) => value !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { ...seen, headers: sorted(seen.headers), params: sorted(seen.params) }
}

/** Fails where what was seen is not what the row says. */
export function assertOutcome (seen: Outcome, { said, chance }: Expected): void {
  assert.deepEqual(shorten(without(seen, chance)), shorten(without(said, chance)))
}

function without (seen: Outcome, chance: string[]): Outcome {
  const result = { ...seen, headers: { ...seen.headers } }
  for (const field of chance) {
    if (field === 'body') result.body = '(left to chance)'
    else if (field === 'cut') result.cut = false
    else if (field.startsWith('headers.')) result.headers[field.slice(8)] = undefined
    else throw new RowError(`chance: ${field}`)
  }
  return result
}

/** For messages that can be read: long texts by their ends, length and digest. */
function shorten (seen: Outcome): unknown {
  return JSON.parse(JSON.stringify(comparable(seen), (_key, value: unknown) => {
    if (typeof value !== 'string' || value.length <= 2000) return value
    return `${value.slice(0, 40)}...${value.slice(-40)} (${value.length} bytes, ${createHash('md5').update(value).digest('hex')})`
  }))
}
