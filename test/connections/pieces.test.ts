import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BodyDecoder } from '../../lib/scgi/body.ts'
import { HEAD_ERROR, HeadParser } from '../../lib/scgi/head.ts'
import { NETSTRING_ERROR, NetstringDecoder } from '../../lib/scgi/netstring.ts'
import { InterimFilter } from '../../lib/connections/http/interim.ts'

type Feed = (piece: Buffer) => void

const LIMIT = 2 ** 24

/** Everything that puts together what comes in pieces: some bytes for it, of about this size, and the way to give it a piece. */
const READERS: readonly [what: string, bytes: (size: number) => string, feed: () => Feed][] = [
  ['the interim head of an HTTP server', size => `HTTP/1.1 100 Continue\r\nX: ${'x'.repeat(size)}`, () => {
    const filter = new InterimFilter()
    filter.arm()
    return piece => { assert.equal(filter.filter(piece), null) }
  }],
  ['many interim heads', size => 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(size / 25), () => {
    const filter = new InterimFilter()
    filter.arm()
    return piece => { filter.filter(piece) }
  }],
  ['a reply head of one line', size => `X: ${'x'.repeat(size)}`, headParser],
  ['a reply head of many lines', size => 'X: y\r\n'.repeat(size / 6), headParser],
  ['the header netstring of a request', size => `${LIMIT - 1}:${'x'.repeat(size)}`, () => {
    const decoder = new NetstringDecoder(LIMIT)
    return piece => { assert.notEqual(decoder.write(piece, 0, piece.length), NETSTRING_ERROR) }
  }],
  ['a chunked body', size => '1\r\nx\r\n'.repeat(size / 6), () => {
    const body = new BodyDecoder({ statusCode: 200, statusMessage: '', headers: {}, rawHeaders: [], contentLength: -1, chunked: true, nph: true }, 'GET')
    return piece => {
      for (let at = 0; at < piece.length;) at = body.write(piece, at, piece.length)
      assert.equal(body.error, undefined)
    }
  }],
]

function headParser (): Feed {
  const parser = new HeadParser(LIMIT)
  return piece => { assert.notEqual(parser.write(piece, 0, piece.length), HEAD_ERROR) }
}

/** Processor time in microseconds, the least of some runs: the machine may be busy with something else. */
function cost (bytes: Buffer, make: () => Feed): number {
  let least = Infinity
  for (let run = 0; run < 6; run++) {
    const feed = make()
    const before = process.cpuUsage()
    for (let at = 0; at < bytes.length; at += 8) feed(bytes.subarray(at, at + 8))
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, user + system)
  }
  return least
}

for (const [what, bytes, make] of READERS) {
  test(`bytes that come eight by eight cost what they weigh: ${what}`, () => {
    cost(Buffer.from(bytes(2000)), make)
    const short = Math.max(150, cost(Buffer.from(bytes(2000)), make))
    const long = cost(Buffer.from(bytes(64_000)), make)
    // 32 times as many: 1024 times the work where each piece costs what there is already.
    assert.ok(long < short * 60, `${short} µs, then ${long} µs`)
  })
}
