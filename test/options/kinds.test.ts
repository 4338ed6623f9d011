// Over every option of the tables: what its kind does not take is refused by the whole path, wherever it stands; and so is a name that is none.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { createCache, createUpstreams, redisStore, ScgiClient } from '../../lib/index.ts'
import { flat } from '../../lib/options/flat.ts'
import { CACHE, CREATE_CACHE, REDIS_STORE } from '../../lib/options/table/cache.ts'
import { CLIENT, DISPATCHER, SERVER_SIDE } from '../../lib/options/table/doors.ts'
import { GROUP, SERVER } from '../../lib/options/table/group.ts'
import { REGISTER } from '../../lib/options/table/plugin.ts'
import { checkRegisterOptions } from '../../lib/plugin-options.ts'
import { parseServerOptions } from '../../lib/server/options.ts'
import type { Kind, Row, Rows } from '../../lib/options/row.ts'

const upstreams = '127.0.0.1:4000'
const SECRET = '0123456789abcdef'

/** Values that an option of one kind does not take. */
const WRONG: Partial<Record<Kind, unknown[]>> = {
  time: ['5', 'x', '1d 1w', -1, NaN, Infinity, true, null, {}, [1], 2 ** 31],
  lifetime: ['5', 'x', -1, NaN, true, null, {}],
  size: ['1x', '8 k', '1.5k', -1, 0.5, NaN, true, null, {}],
  // A number of things has no unit.
  count: ['8k', '2', 1.5, -1, NaN, Infinity, true, null, {}],
  number: ['0.5', NaN, true, null],
  flag: ['on', 'yes', 'true', 0, 1, null, {}],
  names: ['X-A', [1], [''], null, {}],
}

/** What must stand beside an option so that nothing else is wrong, by the path of what holds it. */
const BESIDE: Readonly<Record<string, object>> = {
  bind: { address: '127.0.0.1' },
  sendfile: { root: '/srv' },
  store: { root: '/srv' },
  'buffering.tempPath': { path: '/tmp' },
  cache: { zone: createCache({ name: 'kinds' }) },
  sticky: { route: [() => 'a'] },
  'sticky.cookie': { name: 'srv', secret: SECRET },
  'sticky.learn': { create: 'sid', lookup: 'sid' },
  'sticky.apache': { cookie: 'sid' },
  queue: { size: 1 },
  health: { type: 'scgi' },
  spawn: { command: process.execPath },
  'spawn.processes': { min: 1, max: 2 },
}

/** Options that are right, save for the one at the path. */
function place (path: string, value: unknown): object {
  const keys = path.split('.')
  const nest = (depth: number): object => {
    const key = keys[depth] ?? ''
    const at = keys.slice(0, depth).join('.')
    const inner = depth === keys.length - 1 ? value : nest(depth + 1)
    // Of the kinds of sessions a group has one.
    return { ...(at === 'sticky' && key !== 'failover' ? {} : BESIDE[at]), [key]: inner }
  }
  return nest(0)
}

/** A server is at an address, or an application that is started. */
function serverOf (options: object): object {
  return 'spawn' in options ? options : { address: 'https://127.0.0.1', ...options }
}

/** Who takes options, and what precedes their names in errors. */
const OWNERS: readonly { readonly at: string, readonly rows: Rows, readonly take: (options: object) => unknown }[] = [
  { at: '', rows: REGISTER, take: options => checkRegisterOptions({ upstreams, ...options }) },
  { at: 'cache.', rows: CACHE, take: options => checkRegisterOptions({ upstreams, cache: { ...BESIDE['cache'], ...options } }) },
  { at: 'upstreams.', rows: GROUP, take: options => checkRegisterOptions({ upstreams: { servers: [upstreams], ...options } }) },
  { at: 'upstreams[0].', rows: SERVER, take: options => checkRegisterOptions({ upstreams: [serverOf(options)] }) },
  { at: 'upstreams[1].', rows: SERVER, take: options => Reflect.apply(createUpstreams, undefined, [[upstreams, serverOf(options)]]) },
  { at: 'createCache.', rows: CREATE_CACHE, take: options => Reflect.apply(createCache, undefined, [{ name: 'kinds', ...options }]) },
  { at: '', rows: REDIS_STORE, take: options => Reflect.apply(redisStore, undefined, [{ url: 'redis://127.0.0.1:1', ...options }]) },
  { at: '', rows: DISPATCHER, take: options => Reflect.construct(ScgiDispatcher, [upstreams, options]) },
  { at: '', rows: CLIENT, take: options => Reflect.construct(ScgiClient, [upstreams, options]) },
  { at: '', rows: SERVER_SIDE, take: options => Reflect.apply(parseServerOptions, undefined, [options]) },
]

/** Kinds that stand beside another one: their values may be right for that. */
function wrongFor ({ kinds, words }: Row): unknown[] {
  const [kind, ...others] = kinds
  return kind === undefined || others.length > 0 || words !== undefined ? [] : WRONG[kind] ?? []
}

for (const [index, { at, rows, take }] of OWNERS.entries()) {
  test(`wrong values by kind: ${at === '' ? `owner ${index}` : at}`, () => {
    let tried = 0
    for (const [path, row] of flat(rows)) {
      // Cases of their own: beside a function `upstreams`, of a check that sends requests, of disk stores.
      if (/^(?:resolver|health|expect)\b|^cache\./.test(path) && rows === REGISTER) continue
      for (const value of wrongFor(row)) {
        tried += 1
        assert.throws(() => take(place(path, value)), (error: Error & { code?: string }) => {
          const what = `${at}${path}: ${String(value)}: ${error.message}`
          assert.equal(error.code, 'FST_SCGI_OPT_INVALID', what)
          assert.ok(error.message.startsWith(`fastify-scgi: option '${at}${path}`), what)
          return true
        }, `${at}${path}: ${String(value)} was taken`)
      }
    }
    assert.ok(tried > 10, String(tried))
  })
}

test('names that are none: one code at every depth, with the whole path and the name that was meant', () => {
  for (const { at, rows, take } of OWNERS) {
    const holders = new Map<string, string>()
    for (const [path] of flat(rows)) holders.set(path.split('.').slice(0, -1).join('.'), path)
    for (const [holder, known] of holders) {
      // Beside a function only; and of an own server.
      if (holder.startsWith('resolver') && rows === REGISTER) continue
      if ((rows === CREATE_CACHE && holder !== '') || /^(?:tempPath)$/.test(holder)) continue
      const path = `${known}e`
      assert.throws(() => take(place(path, undefined)), (error: Error & { code?: string }) => {
        const what = `${at}${path}: ${error.message}`
        assert.equal(error.code, 'FST_SCGI_OPT_UNKNOWN', what)
        assert.ok(error.message.includes(`there is no option '${at}${path}'`), what)
        assert.ok(error.message.includes(` (is '${at}`), what)
        return true
      }, `${at}${path} was taken`)
    }
  }
})
