/** Rooms that lie ready at most. They are taken last in, first out: what was used just now is still in the processor's cache. */
const MAX_FREE = 16
/** Rooms differ in size by so many bytes at least, so that one serves for bodies of about its size. */
const STEP = 16_384

const free: Buffer[] = []
const lent = new WeakSet<ArrayBufferLike>()

/**
 * Memory for a body of so many bytes, or more, that is written again for another one when it is given back. New memory for each would
 * have the kernel clear its pages, and the collector run for it. Who keeps it just does not give it back.
 */
export function takeRoom (length: number): Buffer {
  for (let i = free.length - 1; i >= 0; i--) {
    const room = free[i]
    if (room === undefined || room.length < length) continue
    free.splice(i, 1)
    lent.add(room.buffer)
    return room
  }
  const room = Buffer.allocUnsafeSlow(Math.ceil(length / STEP) * STEP)
  lent.add(room.buffer)
  return room
}

/** Nobody has the bytes any more that a part of a room held. Of any other memory nothing comes of it. */
export function giveBackRoom ({ buffer }: Buffer): void {
  if (!lent.delete(buffer)) return
  if (free.length === MAX_FREE) free.shift()
  free.push(Buffer.from(buffer))
}
