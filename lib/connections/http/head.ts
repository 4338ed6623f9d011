import { HEAD_ERROR, HEAD_MORE, HeadParser, type HeadError, type InterimReceiver } from '../../scgi/head.ts'
import type { ResponseHead } from '../../../types/exchange.ts'

const CRLF = Buffer.from('\r\n')
const COLON = Buffer.from(': ')

/**
 * The head of an HTTP server's reply, judged by the very rules of the others: what one server of a group may not say, none may.
 * @param rawHeaders names and values by turns, as undici gives them
 * @param limit largest head in bytes
 * @param upgrade a 101 may answer the request
 * @param receiver is told the head where it is an interim one; no other is returned then
 */
export function readHttpHead (
  statusCode: number, statusMessage: string, rawHeaders: readonly Buffer[], limit: number, upgrade = false, receiver?: InterimReceiver
): ResponseHead | HeadError {
  // undici decodes the phrase as UTF-8; here it is bytes.
  const pieces: Buffer[] = [Buffer.from(`HTTP/1.1 ${String(statusCode).padStart(3, '0')} ${statusMessage}\r\n`)]
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) pieces.push(rawHeaders[i] ?? CRLF, COLON, rawHeaders[i + 1] ?? CRLF, CRLF)
  pieces.push(CRLF)
  const bytes = Buffer.concat(pieces)
  const parser = new HeadParser(limit, upgrade, receiver)
  const end = parser.write(bytes, 0, bytes.length)
  // More bytes than the head has: one of the values held the blank line that ended it.
  if (end !== HEAD_MORE && end !== HEAD_ERROR && end !== bytes.length) return { kind: 'invalid', message: 'a line break in a value' }
  return parser.head ?? parser.error ?? { kind: 'invalid', message: 'it has no end' }
}
