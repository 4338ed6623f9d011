import type { CachePolicy } from '../cache/options.ts'
import type { StatusTeller } from '../cache/status-header.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

type Policy = CachePolicy<FastifyRequest>

/**
 * Adds what a cache says of a reply to its headers.
 * @param teller knows what came of the request
 * @param age of an entry, in seconds
 */
export function tellOfCache (
  policy: Policy, teller: StatusTeller | undefined, age: number | undefined, info: FastifyRequest['scgi'], headers: Record<string, string | string[]>
): void {
  if (age !== undefined && policy.age) headers['age'] = String(age)
  const name = policy.rules.cacheStatus
  if (name !== undefined && teller !== undefined) {
    const own = teller.statusMember(name)
    const earlier = headers['cache-status']
    headers['cache-status'] = earlier === undefined ? own : `${typeof earlier === 'string' ? earlier : earlier.join(', ')}, ${own}`
  }
  if (policy.statusHeader === undefined) return
  const status = info?.cacheStatus
  if (status !== undefined) headers[policy.statusHeader] = status
}

/** What it says stands alone: no earlier cache has said anything, and none of it is in a header of the user's choice. */
export function addsAlone (policy: Policy, { headers }: ResponseHead): boolean {
  return policy.statusHeader === undefined && headers['cache-status'] === undefined
}

/** The same, where it stands alone, for a reply that has its other headers. */
export function addOfCache (policy: Policy, teller: StatusTeller | undefined, age: number | undefined, reply: FastifyReply): void {
  if (age !== undefined && policy.age) reply.header('age', String(age))
  const name = policy.rules.cacheStatus
  if (name !== undefined && teller !== undefined) reply.header('cache-status', teller.statusMember(name))
}
