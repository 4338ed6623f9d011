import assert from 'node:assert/strict'
import { mock } from 'node:test'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { asModule, check, readTry, type ModuleDir } from './snippets.ts'
import type { Applications } from './applications.ts'

/** What a snippet makes: a Fastify application, or an SCGI server. */
interface Made {
  close (): unknown
  listen?: unknown
  server?: unknown
  address?: unknown
}

function isMade (value: unknown): value is Made {
  return typeof value === 'object' && value !== null && 'close' in value && typeof value.close === 'function'
}

/** The port at which an application, or a server, listens. */
function portOf (made: Made): number {
  const server: unknown = made.server ?? made
  const address: unknown = typeof server === 'object' && server !== null && 'address' in server && typeof server.address === 'function' ? server.address() : undefined
  if (typeof address === 'object' && address !== null && 'port' in address && typeof address.port === 'number') return address.port
  throw new Error('the snippet listens nowhere')
}

/** Closes an application or a server, which either gives a promise or calls back. */
async function close (made: Made): Promise<void> {
  if ('server' in made) {
    await made.close()
    return
  }
  await new Promise<void>(resolve => Reflect.apply(made.close, made, [() => resolve()]))
}

/**
 * Runs a snippet as it is written, save for its addresses, and does with it what its notes say: `try: ...` makes a request,
 * `try over scgi: ...` makes it through a gateway, `prints: ...` is a pattern for what it writes to the console.
 */
export async function runSnippet (code: string, notes: readonly string[], applications: Applications, modules: ModuleDir): Promise<void> {
  const known = /^(?:try|try over scgi|prints): /
  const [unknown] = notes.filter(note => !known.test(note))
  if (unknown !== undefined) throw new Error(`what does '${unknown}' mean?`)
  if (notes.length === 0) throw new Error('the snippet has no note that says how to try it')
  const printed: string[] = []
  const log = mock.method(console, 'log', (...values: unknown[]) => { printed.push(values.join(' ')) })
  try {
    const { made } = await modules.run(await applications.rewrite(asModule(code)))
    if (isMade(made)) {
      try {
        await tryAll(made, notes, applications)
      } finally {
        await close(made)
      }
    } else {
      assert.ok(!notes.some(note => note.startsWith('try')), 'the snippet makes nothing that could be tried')
    }
  } finally {
    log.mock.restore()
  }
  for (const note of notes) {
    if (note.startsWith('prints: ')) assert.match(printed.join('\n'), new RegExp(note.slice('prints: '.length), 'm'))
  }
}

async function tryAll (made: Made, notes: readonly string[], applications: Applications): Promise<void> {
  for (const note of notes) {
    if (note.startsWith('prints: ')) continue
    const [request = '', reply = ''] = note.replace('try over scgi: ', 'try: ').split(/(?= -> )/)
    const wanted = readTry(await applications.rewrite(request) + reply)
    if (wanted === undefined) throw new Error(`'${note}' cannot be read`)
    if (note.startsWith('try: ')) {
      await check(`http://127.0.0.1:${portOf(made)}`, wanted)
      continue
    }
    const gateway = Fastify()
    gateway.register(scgi, `127.0.0.1:${portOf(made)}`)
    const url = await gateway.listen({ port: 0, host: '127.0.0.1' })
    try {
      await check(url, wanted)
    } finally {
      await gateway.close()
    }
  }
}
