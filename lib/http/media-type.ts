import { TOKEN } from './token.ts'

const MEDIA_TYPE = new RegExp(`^\\s*${TOKEN}/${TOKEN}\\s*(?:;|$)`)

/** The two that passed last: most requests and replies have one of few. */
let latest: string | undefined
let earlier: string | undefined

/** A media type as Fastify takes it. */
export function isMediaType (type: unknown): boolean {
  if (typeof type !== 'string') return false
  if (type === latest || type === earlier) return true
  if (!MEDIA_TYPE.test(type)) return false
  earlier = latest
  latest = type
  return true
}
