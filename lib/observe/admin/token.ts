import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** How long a page may stay open and edit; it asks for another token by itself. */
const LIFETIME = 12 * 3_600_000

/** Makes and checks what a page shows with each edit, and what no other page can know. */
export class Tokens {
  readonly #secret: string | Buffer
  readonly #now: () => number

  /** @param secret default: one of this process */
  constructor (secret: string | undefined, now: () => number) {
    this.#secret = secret ?? randomBytes(32)
    this.#now = now
  }

  /** @param operator whom the token is for: it is of no use to anybody else */
  make (operator: string): string {
    const page = `${(this.#now() + LIFETIME).toString(36)}.${randomBytes(9).toString('base64url')}`
    return `${page}.${this.#sign(page, operator)}`
  }

  check (token: unknown, operator: string): boolean {
    const [, page, until = '', given] = typeof token === 'string' ? /^(([\da-z]{1,11})\.[\w-]{12})\.([\w-]{43})$/.exec(token) ?? [] : []
    if (page === undefined || given === undefined || parseInt(until, 36) < this.#now()) return false
    return timingSafeEqual(Buffer.from(given), Buffer.from(this.#sign(page, operator)))
  }

  #sign (page: string, operator: string): string {
    return createHmac('sha256', this.#secret).update(`fastify-scgi admin\0${page}\0${operator}`).digest('base64url')
  }
}
