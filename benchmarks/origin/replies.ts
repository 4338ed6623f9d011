/** What the origins answer, chosen by path: the same bytes over SCGI and over HTTP. */
export const kinds = ['1k', '1k-nolength', '1k-notype', '1k-12headers', '1k-browser', '100k', '10m', 'post-1k', 'post-1m'] as const

export type Kind = typeof kinds[number]

/** The text of that length that replies and files consist of. */
export function makeText (size: number): Buffer {
  return Buffer.alloc(size, 'The quick brown fox jumps over the lazy dog.\n')
}

export interface Reply {
  /** Header lines, Content-Type (save for `1k-notype`) and Content-Length (save for `1k-nolength`) included. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

const sizes: Readonly<Record<Kind, number>> = {
  '1k': 1024,
  '1k-nolength': 1024,
  '1k-notype': 1024,
  '1k-12headers': 1024,
  '1k-browser': 1024,
  'post-1k': 1024,
  'post-1m': 1024,
  '100k': 100 * 1024,
  '10m': 10 * 1024 * 1024,
}

/** Ten more lines, as a web application behind a gateway sends them. */
const application: readonly (readonly [string, string])[] = [
  ['Cache-Control', 'private, max-age=0, must-revalidate'],
  ['ETag', '"5f2b-17c3e6d1a40"'],
  ['Last-Modified', 'Tue, 03 Nov 2026 10:11:12 GMT'],
  ['Vary', 'Accept-Encoding, Cookie'],
  ['Set-Cookie', 'session=0123456789abcdef0123456789abcdef; Path=/; HttpOnly; SameSite=Lax'],
  ['Set-Cookie', 'csrftoken=fedcba9876543210fedcba9876543210; Path=/; SameSite=Strict'],
  ['X-Frame-Options', 'DENY'],
  ['X-Content-Type-Options', 'nosniff'],
  ['Referrer-Policy', 'same-origin'],
  ['Content-Language', 'en'],
]

/** The reply of one kind. */
export function makeReply (kind: Kind): Reply {
  const size = sizes[kind]
  const headers: (readonly [string, string])[] = []
  if (kind !== '1k-notype') headers.push(['Content-Type', 'text/plain; charset=utf-8'])
  if (kind !== '1k-nolength') headers.push(['Content-Length', String(size)])
  if (kind === '1k-12headers') headers.push(...application)
  return { headers, body: makeText(size) }
}

/** The reply of one kind as the bytes of an SCGI application, which keeps the connection or not. */
export function scgiBytes (kind: Kind, keepalive = false): Buffer {
  const { headers, body } = makeReply(kind)
  const head = `Status: 200 OK\r\n${keepalive ? 'SCGI-Keepalive: 1\r\n' : ''}${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

const posts: Partial<Record<Kind, number>> = { 'post-1k': 1024, 'post-1m': 1_048_576 }

/** Length of the body that a kind is asked for with; undefined for a GET. */
export function postOf (kind: Kind): number | undefined {
  return posts[kind]
}
