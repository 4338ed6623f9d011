// A side that stands still must not fill the gateway's memory with what the other side sends.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as later } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, get } from './kit.ts'
import type { ChildProcess } from 'node:child_process'
import type { Exchange } from '../helpers/recorder.ts'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'

const TOTAL = 100 * 2 ** 20
const LIMIT = 32 * 2 ** 20
const PIECE = Buffer.alloc(2 ** 20, 'x')
const WARM = Buffer.alloc(24 * 2 ** 20, 'x')

interface Child extends AsyncDisposable {
  readonly port: number
  rss (): Promise<number>
}

/** A number in the next message of the child. */
async function told (child: ChildProcess, name: string): Promise<number> {
  const [message]: unknown[] = await once(child, 'message', { signal: AbortSignal.timeout(60_000) })
  return Number(typeof message === 'object' && message !== null ? Reflect.get(message, name) : NaN)
}

async function startChild (address: string, requestBuffering: string, buffering: string): Promise<Child> {
  const child = fork(fileURLToPath(new URL('memory-child.ts', import.meta.url)), [address, requestBuffering, buffering], { execArgv: TYPESCRIPT })
  const port = await told(child, 'port')
  return {
    port,
    rss () {
      child.send('rss')
      return told(child, 'rss')
    },
    async [Symbol.asyncDispose] () {
      const exit = once(child, 'exit')
      child.send('close')
      await exit
    },
  }
}

/**
 * The most that the gateway's memory has grown by when nothing moves any more: `moved` has come to `end`, where one is expected, and
 * stays the same while both processes go on. Each answer of the gateway's is a turn of its loop.
 */
async function growth (child: Child, before: number, moved: () => number, end: number): Promise<number> {
  let most = 0
  const deadline = Date.now() + 60_000
  for (let last = -1, still = 0; (still < 200 || last < end) && Date.now() < deadline;) {
    most = Math.max(most, await child.rss() - before)
    still = moved() === last ? still + 1 : 0
    last = moved()
    // To ask without a pause would take the time of those that move bytes.
    await later(2)
  }
  return most
}

/** Answers with what it was sent, in size. */
async function warm (x: Exchange): Promise<void> {
  await x.body()
  await x.write('Status: 200\r\n\r\n')
  for (let n = 0; n < WARM.length; n += PIECE.length) await x.write(PIECE)
  await x.end()
}

/** Code is compiled and heaps have their working size: what grows afterwards grows with the bytes that stand still. */
async function warmUp (child: Child): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await rawRequest(child, bytes(['POST /warm HTTP/1.1', 'Host: x', `Content-Length: ${WARM.length}`], WARM), { keepBodies: false })
  }
}

function show (grown: number): string {
  return `grew by ${(grown / 2 ** 20).toFixed(1)} MiB`
}

for (const mode of ['on', 'off']) {
  test(`a client that does not read a reply of 100 MB, buffering ${mode}`, async () => {
    let written = 0
    await using recorder = await startRecorder({
      answer: async x => {
        if (x.request.param('PATH_INFO') === '/warm') return warm(x)
        await x.write(`Status: 200\r\nContent-Length: ${TOTAL}\r\n\r\n`)
        for (; written < TOTAL; written += PIECE.length) await x.write(PIECE)
        await x.end()
      },
    })
    await using child = await startChild(recorder.address, 'on', mode)
    await warmUp(child)
    const before = await child.rss()
    await using client = await RawClient.connect(child, { keepBodies: false })
    client.expect('GET')
    await client.write(get('/'))
    await client.until(({ head }) => head !== undefined)
    client.socket.pause()
    const grown = await growth(child, before, () => written, mode === 'on' ? TOTAL : 0)
    // Read ahead, into a file; without buffering the application waits.
    assert.equal(mode === 'on' ? written === TOTAL : written < TOTAL / 2, true, `${written} bytes were taken`)
    assert.ok(grown < LIMIT, show(grown))
  })

  test(`an application that does not read an upload of 100 MB, buffering ${mode}`, async () => {
    await using recorder = await startRecorder({
      keepBodies: false,
      answer: async x => {
        if (x.request.param('PATH_INFO') === '/warm') return warm(x)
        x.pause()
        await x.closed
      },
    })
    await using child = await startChild(recorder.address, mode, 'on')
    await warmUp(child)
    const before = await child.rss()
    await using client = await RawClient.connect(child)
    await client.write(bytes(['POST / HTTP/1.1', 'Host: x', `Content-Length: ${TOTAL}`]))
    let sent = 0
    const over = new AbortController()
    const sending = (async () => {
      for (; sent < TOTAL && !over.signal.aborted; sent += PIECE.length) await Promise.race([client.write(PIECE), client.closed])
    })()
    const grown = await growth(child, before, () => sent, mode === 'on' ? TOTAL : 0)
    assert.ok(mode === 'on' ? sent === TOTAL : sent < TOTAL / 2, `${sent} bytes were taken`)
    assert.ok(grown < LIMIT, show(grown))
    over.abort()
    client.destroy()
    await sending
  })
}
