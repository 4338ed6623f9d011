import { BufferedReply } from '../../lib/reply/buffered-reply.ts'
import type { ReplyBuffering } from '../../lib/reply/buffering-options.ts'
import type { ReplySource } from '../../lib/reply/reply-stream.ts'

/** Sizes small enough to be passed by a few pieces: reads of 100, memory for 100 + 300, 50 handed over, writes of 80, no limit to the file. */
export function small (path: string | undefined, settings: Partial<ReplyBuffering> = {}): ReplyBuffering {
  return {
    enabled: true,
    bufferSize: 100,
    memory: 400,
    busyBuffersSize: 50,
    maxTempFileSize: 1e9,
    tempFileWriteSize: 80,
    tempPath: { path, make: false, levels: [] },
    tempTotal: { used: 0, limit: Infinity },
    ...settings,
  }
}

/**
 * An application whose reply is fed to a `BufferedReply` as fast as that takes it, in pieces as large as a read, and that makes sure
 * that it is told to pause only where there is no room.
 */
export class FakeApplication implements ReplySource {
  readonly reply: BufferedReply
  /** Bytes taken from it. */
  given = 0
  paused = false
  abandoned = false
  readonly fileErrors: Error[] = []
  readonly #settings: ReplyBuffering

  constructor (settings: ReplyBuffering) {
    this.#settings = settings
    this.reply = new BufferedReply(this, settings, error => this.fileErrors.push(error))
  }

  pause (): void {
    const { memory, bufferSize } = this.#settings
    if (this.reply.inMemory <= memory - bufferSize) throw new Error(`paused with ${this.reply.inMemory} bytes in memory`)
    if (this.paused) throw new Error('paused twice')
    this.paused = true
  }

  resume (): void {
    if (!this.paused) throw new Error('resumed without a pause')
    this.paused = false
  }

  abandon (): void {
    if (this.abandoned) throw new Error('abandoned twice')
    this.abandoned = true
  }

  feed (bytes: Buffer): void {
    if (this.paused) throw new Error('fed while paused')
    this.given += bytes.length
    this.reply.feed(bytes)
  }

  /** Feeds all of it, one piece in a turn of the event loop, and finishes; stops for good where it is abandoned or fails. */
  async send (body: Buffer, onTurn = (): void => {}): Promise<void> {
    const { bufferSize } = this.#settings
    for (let at = 0; at < body.length;) {
      if (this.abandoned || this.fileErrors.length > 0) return
      if (!this.paused) {
        this.feed(body.subarray(at, at + bufferSize))
        at += bufferSize
      }
      onTurn()
      await turn()
    }
    this.reply.finish()
  }
}

/** The next turn of the event loop. */
export function turn (): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
