import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Activity } from '../../lib/run/activity.ts'
import { Application } from '../../lib/run/application.ts'
import { listenHere } from '../../lib/run/here.ts'

function deferred (): { promise: Promise<void>, resolve: () => void } {
  let settle = (): void => {}
  const promise = new Promise<void>(resolve => { settle = resolve })
  return { promise, resolve: settle }
}

test('clients of HTTP/2 are told with a reply that it is the last of their connection', async () => {
  const application = new Application({})
  const { app } = application
  const activity = new Activity(app)
  const held = deferred()
  const arrived = deferred()
  app.get('/', async () => 'ok')
  app.get('/held', async () => {
    arrived.resolve()
    await held.promise
    return 'held'
  })
  const [url = ''] = await listenHere(application, [{ place: { host: '127.0.0.1', port: 0, backlog: 5 }, tls: undefined, http2: true }])
  const sessions = [http2.connect(url), http2.connect(url)]
  try {
    const [one, other] = sessions
    assert.ok(one !== undefined && other !== undefined)
    const text = async (session: http2.ClientHttp2Session, path: string): Promise<string> => {
      let body = ''
      for await (const piece of session.request({ ':path': path })) body += String(piece)
      return body
    }
    assert.equal(await text(one, '/'), 'ok')
    // It has one under way, and is told at once; the other with its next one.
    const goaway = [once(one, 'goaway'), once(other, 'goaway')]
    const running = text(one, '/held')
    await Promise.all([arrived.promise, text(other, '/')])
    const over = activity.end(0, [])
    assert.deepEqual((await goaway[0])?.[0], 0)
    assert.equal(await text(other, '/'), 'ok')
    assert.deepEqual((await goaway[1])?.[0], 0)
    held.resolve()
    assert.equal(await running, 'held')
    await over
  } finally {
    for (const session of sessions) session.destroy()
    await app.close()
  }
})

test('whoever is told twice to end waits once: both are over with what is under way', { timeout: 30_000 }, async () => {
  const application = new Application({})
  const { app } = application
  const activity = new Activity(app)
  const held = deferred()
  const arrived = deferred()
  app.get('/', async () => {
    arrived.resolve()
    await held.promise
    return 'held'
  })
  const [url = ''] = await listenHere(application, [{ place: { host: '127.0.0.1', port: 0, backlog: 5 }, tls: undefined, http2: false }])
  try {
    const running = fetch(url).then(reply => reply.text())
    await arrived.promise
    const over = [activity.end(0, []), activity.end(60_000, []), activity.end(0, [])]
    // All of them wait.
    await setImmediate()
    held.resolve()
    assert.equal(await running, 'held')
    await Promise.all(over)
  } finally {
    await app.close()
  }
})
