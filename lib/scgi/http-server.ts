import type { ResponseHead } from '../../types/exchange.ts'

/**
 * True when a reply looks like that of an HTTP server which was sent an SCGI request: the server should be reached by `http://`,
 * or another port is meant. A hint for a message, no more: an application may answer so by an HTTP status line of its own.
 *
 * The request begins with a netstring, `70:CONTENT_LENGTH...`, and has no line end. To an HTTP server that is a malformed request
 * line or method (400, 405, 501), a bad version (505), a line that is too long (414, 431), or one that never ends (408). Such a server
 * cannot know where the next request would begin, so it closes: it says `Connection: close`, or sends no header at all. An SCGI
 * application that writes its status line itself gives headers, but has no reason to speak of the connection.
 */
export function looksLikeHttpServer (head: ResponseHead): boolean {
  if (!head.nph) return false
  switch (head.statusCode) {
    case 400: case 405: case 408: case 414: case 431: case 501: case 505: break
    default: return false
  }
  const connection = head.headers['connection']
  if (connection === undefined) return head.rawHeaders.length === 0
  return String(connection).toLowerCase().split(',').some(option => option.trim() === 'close')
}
