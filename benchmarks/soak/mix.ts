import { browserHeaders } from '../lib/browser.ts'

/** One kind of request of the soak. */
export interface Ingredient {
  readonly name: string
  /** So many of ten thousand requests. */
  readonly share: number
  /** Path of the n-th of them. */
  path (n: number): string
  readonly post?: number
  readonly browser?: boolean
  /** The client goes away when the reply has begun. */
  readonly leaves?: boolean
}

const always = (path: string) => () => path

/** What is asked for in the soak. The prefixes are those of peers/soak.app.js. */
export const mix: readonly Ingredient[] = [
  { name: '1 kB', share: 4900, path: always('/plain/1k') },
  { name: '1 kB, a browser', share: 1000, path: always('/plain/1k-browser'), browser: true },
  { name: '1 kB without Content-Type', share: 400, path: always('/plain/1k-notype') },
  { name: '1 kB without Content-Length', share: 300, path: always('/plain/1k-nolength') },
  { name: '100 kB', share: 300, path: always('/plain/100k') },
  { name: '10 MB', share: 2, path: always('/plain/10m') },
  { name: 'POST of 1 kB', share: 600, path: always('/plain/post-1k'), post: 1024 },
  { name: 'POST of 1 MB', share: 8, path: always('/plain/post-1m'), post: 1_048_576 },
  { name: 'hit in memory', share: 1000, path: always('/memory/1k') },
  { name: 'miss, stored in memory', share: 300, path: (n) => `/memory/1k?${n}` },
  { name: 'hit on disk', share: 300, path: always('/disk/1k') },
  { name: 'miss, stored on disk', share: 100, path: (n) => `/disk/1k?${n}` },
  { name: 'stored as a file', share: 90, path: (n) => `/mirror/${n % 200}/1k` },
  { name: 'X-Accel-Redirect', share: 200, path: always('/special/redirect/1k') },
  { name: 'X-Sendfile', share: 190, path: always('/special/sendfile/1k') },
  { name: 'a session bound to its server', share: 100, path: always('/sticky/page') },
  { name: 'an application that fails now and then', share: 200, path: always('/special/flaky') },
  { name: 'a client that goes away', share: 10, path: always('/plain/10m'), leaves: true },
]

/** Largest common use: shares are counted in so many. */
const whole = mix.reduce((sum, { share }) => sum + share, 0)

/** Gives the ingredients in turn, each as often as its share says and spread evenly. */
export class Mixer {
  readonly #lead = mix.map(() => 0)

  next (): Ingredient {
    let best = 0
    for (const [index, { share }] of mix.entries()) {
      this.#lead[index] = (this.#lead[index] ?? 0) + share
      if ((this.#lead[index] ?? 0) > (this.#lead[best] ?? 0)) best = index
    }
    this.#lead[best] = (this.#lead[best] ?? 0) - whole
    const chosen = mix[best]
    if (chosen === undefined) throw new Error('nothing to choose from')
    return chosen
  }
}

/** The bytes of a request. */
export function encode ({ path, post, browser = false }: Ingredient, n: number): Buffer {
  const headers = { Host: 'soak.example', ...(browser && browserHeaders), ...(post !== undefined && { 'Content-Length': String(post) }) }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return Buffer.from(`${post === undefined ? 'GET' : 'POST'} ${path(n)} HTTP/1.1\r\n${lines}\r\n${'x'.repeat(post ?? 0)}`, 'latin1')
}
