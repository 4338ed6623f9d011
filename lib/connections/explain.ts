import type { ResponseHead } from '../../types/exchange.ts'

/** The answer of an operator's first question, for the errors of the connection. */
const CONNECT_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'ENOENT, there is no such socket: is the application running, and is the path right?',
  EACCES: 'EACCES, no permission to connect to the socket: the gateway\'s user needs write permission on it and search permission on its directories',
  ECONNREFUSED: 'ECONNREFUSED, nobody listens there: is the application running?',
  EAGAIN: 'EAGAIN, the listen queue of the application is full: it needs more workers or a longer backlog',
  EADDRNOTAVAIL: 'EADDRNOTAVAIL, no local port is left or the address is not reachable from here',
  ENOTSOCK: 'ENOTSOCK, the path is not a socket',
  EPROTOTYPE: 'EPROTOTYPE, the socket is not a stream socket',
}

/** Local failures are those of opening and binding a socket: another server would meet them too. */
const LOCAL_CODES = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAFNOSUPPORT'])

export function isLocalError (error: NodeJS.ErrnoException): boolean {
  return error.syscall === 'bind' || LOCAL_CODES.has(error.code ?? '')
}

/** What a failed connect() means, and what to look at. */
export function explainConnect (error: NodeJS.ErrnoException): string {
  return CONNECT_REASONS[error.code ?? ''] ?? error.code ?? error.message
}

/** Of uWSGI's 4096 so much is left for header blocks with any number of parameters that is usual. */
const UWSGI_NEARLY = 3840
/** At --socket uWSGI takes two digits of the netstring for the size of a packet: '00', the least of them, is this one. */
const UWSGI_WAITS = 0x3030
/** 2 MiB; newer ones take 16. */
const RTORRENT_BODY = 2_097_152

/**
 * Why a server may have closed the connection before its head was complete.
 * @param received bytes of the reply that had come
 * @param sent bytes of the header block that had been sent
 * @param body length of the request's body
 */
export function explainClose (received: number, sent: number, body = 0): string {
  if (received > 0) return ` (${received} bytes had come)`
  const causes = ['it crashed or refused the request']
  if (sent > 4096) causes.unshift(`the header block of ${sent} bytes is longer than uWSGI's buffer-size (4096 unless set)`)
  else if (sent > UWSGI_NEARLY) causes.unshift(`the header block of ${sent} bytes fills uWSGI's buffer-size (4096 unless set), where each parameter takes 2 bytes more`)
  if (sent > 2000) causes.unshift(`the header block of ${sent} bytes is longer than the 2000 that rTorrent takes (use defaultParams: 'minimal')`)
  if (body > RTORRENT_BODY) causes.unshift(`the body of ${body} bytes is longer than the 2 MiB that rTorrent takes`)
  return `, without a byte of reply. Usual causes: ${causes.join('; ')}; it does not speak SCGI (uWSGI speaks its own protocol at --socket: ` +
    'give it --scgi-socket)'
}

/**
 * What to say of a server that was silent for all of the read timeout.
 * @param sent bytes of the request, of which the server has taken all
 * @param reused the connection has served before
 */
export function explainSilence (sent: number, reused: boolean): string {
  if (reused || sent >= UWSGI_WAITS) return ''
  return '. If it never answers, it may not speak SCGI: with a buffer-size of more than 12 kB uWSGI waits so at --socket, give it --scgi-socket'
}

/** What to say where an HTTP server stands behind the address. */
export function explainHttp (head: ResponseHead): string {
  return `'HTTP ${head.statusCode} ${head.statusMessage}': this server speaks HTTP, not SCGI. Give the address of the application's SCGI socket (uWSGI: --scgi-socket)`
}
