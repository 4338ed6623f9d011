import { once } from 'node:events'
import { connect, type ClientHttp2Session } from 'node:http2'
import { setTimeout as wait } from 'node:timers/promises'
import { count, options, report, url, waitForStart } from './generator.ts'

// Closed loop over HTTP/2 without TLS: `connections` streams under way, some on each session, for a fixed time.

const streamsOfSession = 16

let over = false

/** One request; `done` is called at the end of its stream. */
function ask (session: ClientHttp2Session, done: (status: number, bytes: number) => void): void {
  let status = 0
  let bytes = 0
  const stream = session.request({ ':path': url.pathname, ...options.headers })
  stream.on('response', (headers) => { status = headers[':status'] ?? 0 })
  stream.on('data', (chunk: Buffer) => { bytes += chunk.length })
  stream.on('error', () => {}) // 'close' follows, with what has come so far
  stream.on('close', () => { done(stream.rstCode === 0 ? status : 0, bytes) })
}

function loop (session: ClientHttp2Session): void {
  const sent = performance.now()
  ask(session, (status, bytes) => {
    if (over) return
    count(status, bytes, (performance.now() - sent) * 1000)
    loop(session)
  })
}

const opening = performance.now()
const sessions: ClientHttp2Session[] = []
for (let i = 0; i < options.connections; i += streamsOfSession) {
  const session = connect(url.origin)
  await once(session, 'connect')
  await new Promise<void>((resolve) => { ask(session, () => { resolve() }) })
  sessions.push(session)
}
await waitForStart(opening)
const begun = performance.now()
for (let i = 0; i < options.connections; i++) {
  const session = sessions[i % sessions.length]
  if (session !== undefined) loop(session)
}
await wait(options.seconds * 1000)
over = true
report(begun)
for (const session of sessions) session.destroy()
