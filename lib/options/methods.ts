import { METHODS } from 'node:http'
import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { show } from './units.ts'
import type { FastifyInstance } from 'fastify'

/** TRACE shows the client what its request became on the way, secrets of proxies included. */
const BY_DEFAULT = METHODS.filter(method => method !== 'CONNECT' && method !== 'TRACE')
/** Node.js gives CONNECT to no handler of requests. */
const POSSIBLE = METHODS.filter(method => method !== 'CONNECT')

/**
 * Reads the option `httpMethods`, and lets Fastify know those methods of Node.js that it does not know by itself: WebDAV's, say.
 * @param scope an instance of the gateway's own: Fastify decorates it with a shorthand for each
 * @throws FST_SCGI_OPT_INVALID
 */
export function serveMethods (scope: FastifyInstance, given: unknown): string[] {
  const methods = readMethods(given)
  for (const method of methods) {
    if (!scope.supportedMethods.includes(method)) scope.addHttpMethod(method, { hasBody: true })
  }
  return methods
}

/** @throws FST_SCGI_OPT_INVALID */
export function readMethods (given: unknown): string[] {
  if (given === undefined) return BY_DEFAULT
  if (!Array.isArray(given) || given.length === 0) throw new FST_SCGI_OPT_INVALID('httpMethods', show(given), 'a list of methods')
  return given.map((method: unknown) => {
    const known = POSSIBLE.find(possible => possible === method)
    if (known === undefined) throw new FST_SCGI_OPT_INVALID('httpMethods', show(method), `methods that Node.js can serve: ${POSSIBLE.join(', ')}`)
    return known
  })
}
