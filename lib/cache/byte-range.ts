import { Readable } from 'node:stream'

/** The bytes of a body from `start` to `end`, both included. What goes before is read and dropped, what follows is not read. */
export function cutRange (body: Readable, start: number, end: number): Readable {
  const range = Readable.from(cut(body, start, end - start + 1), { objectMode: false })
  body.on('error', error => range.destroy(error))
  range.once('close', () => body.destroy())
  return range
}

async function * cut (body: AsyncIterable<Buffer | string>, skip: number, left: number): AsyncGenerator<Buffer> {
  for await (const piece of body) {
    const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece
    const part = chunk.subarray(Math.min(skip, chunk.length))
    skip -= chunk.length - part.length
    if (part.length === 0) continue
    const taken = part.subarray(0, left)
    left -= taken.length
    yield taken
    if (left === 0) return
  }
  throw new Error(`the stored body ends ${left} bytes before the range does`)
}
