import type { FastifyInstance } from 'fastify'

/** What the page's paths begin with, without a slash at its end: that of a prefix would stand beside their own. */
export function baseOf ({ prefix }: FastifyInstance): string {
  return prefix.replace(/\/+$/, '')
}
