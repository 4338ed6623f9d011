// Methods that look at the request see undici's options of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUpstreams, ScgiDispatcher, type DispatchOptions } from '../../lib/dispatcher/index.ts'
import { startRecorder } from '../helpers/recorder.ts'

test('the key of a hash, and a method of one\'s own, are made of undici\'s options', async () => {
  await using one = await startRecorder()
  await using two = await startRecorder()
  const servers = [one.address, two.address]
  const byPath = createUpstreams<DispatchOptions>({ servers, balance: { hash: ({ path }) => path, consistent: true } })
  const byHeader = createUpstreams<DispatchOptions>({
    servers, balance: { select: ({ request, servers: alive }) => alive.find(({ name }) => name === request?.path.slice(1)) },
  })
  const shared = new ScgiDispatcher(byPath)
  const chosen = new ScgiDispatcher(byHeader)
  const get = async (dispatcher: ScgiDispatcher, path: string): Promise<void> => {
    const { body } = await dispatcher.request({ origin: 'http://app', path, method: 'GET' })
    await body.dump()
  }
  for (const path of ['/a', '/b', '/c', '/d', '/e', '/f']) for (let n = 0; n < 3; n++) await get(shared, path)
  const paths = [one, two].map(({ requests }) => requests.map(request => request.param('REQUEST_URI')))
  assert.equal(paths.flat().length, 18)
  for (const list of paths) for (const path of list) assert.equal(list.filter(other => other === path).length, 3)
  await get(chosen, `/${two.address}`)
  assert.equal(two.requests.at(-1)?.param('REQUEST_URI'), `/${two.address}`)
  await Promise.all([shared.close(), chosen.close()])
})
