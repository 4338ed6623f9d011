// Run as a process of its own by buffered-reply-memory.test.ts: a reply that its client does not read, and what that costs in memory.
import { compileBuffering } from '../../lib/reply/buffering-options.ts'
import { FakeApplication } from '../helpers/reply-source.ts'

const TOTAL = 200 * 2 ** 20
const READ = 65_536

async function send (bytes: number): Promise<FakeApplication> {
  const application = new FakeApplication(compileBuffering({ maxTempFileSize: '1g' }))
  while (application.given < bytes) {
    // A piece of its own each time, as it comes from a socket.
    if (!application.paused) application.feed(Buffer.alloc(READ, application.given / READ))
    await new Promise(resolve => setImmediate(resolve))
  }
  application.reply.finish()
  return application
}

// Code is compiled and heaps have their working size.
for (let i = 0; i < 2; i++) {
  const { reply } = await send(48 * 2 ** 20)
  for await (const piece of reply) if (piece.length === 0) throw new Error('an empty piece')
}
const before = process.memoryUsage.rss()
let most = 0
const timer = setInterval(() => { most = Math.max(most, process.memoryUsage.rss() - before) }, 5)
const { given, reply } = await send(TOTAL)
const held = { inFile: reply.inFile, inMemory: reply.inMemory }
let at = 0
let wrong = 0
for await (const piece of reply) {
  if (!Buffer.isBuffer(piece)) continue
  for (let i = 0; i < piece.length; i += 1024) if (piece[i] !== (Math.floor((at + i) / READ) & 255)) wrong++
  at += piece.length
}
clearInterval(timer)
process.send?.({ given, ...held, read: at, wrong, grown: most })
process.disconnect()
