import { TOKEN } from './token.ts'

const MEDIA_TYPE = new RegExp(`^\\s*${TOKEN}/${TOKEN}\\s*(?:;|$)`)

/** A media type as Fastify takes it. */
export function isMediaType (type: unknown): boolean {
  return typeof type === 'string' && MEDIA_TYPE.test(type)
}
