import { Socket } from 'node:net'
import { StringDecoder } from 'node:string_decoder'
import type { Readable } from 'node:stream'

/** A longer line is told in pieces of so many characters. */
const LONGEST = 8192

/** Tells the lines of a stream, the last one too where no line end closes it. The stream does not keep the process alive. */
export function readLines (stream: Readable, tell: (line: string) => void): void {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const take = (text: string): void => {
    const lines = (rest + text).split(/\r?\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') cut(line)
    if (rest.length >= LONGEST) {
      cut(rest)
      rest = ''
    }
  }
  const cut = (line: string): void => {
    for (let from = 0; from < line.length; from += LONGEST) tell(line.slice(from, from + LONGEST))
  }
  if (stream instanceof Socket) stream.unref()
  stream.on('data', (bytes: Buffer) => take(decoder.write(bytes)))
  stream.once('end', () => take(`${decoder.end()}\n`))
  // What it cannot say any more is lost; that it ends is heard elsewhere.
  stream.on('error', () => {})
}
