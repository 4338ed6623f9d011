import { STATUS_CODES } from 'node:http'
import { redirectStateOf } from './redirect-state.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Errors of ours that are being answered. */
const answered = new WeakMap<FastifyReply, Error>()

/**
 * Notes the error that a reply answers. Ours say to the operator which server failed and why, and of a 5xx that is not for the client,
 * whichever route, location or not-found handler it comes from.
 */
export function noteError (reply: FastifyReply, error: Error): void {
  if ('code' in error && typeof error.code === 'string' && error.code.startsWith('FST_SCGI_')) answered.set(reply, error)
}

/**
 * Puts the body for the client instead of the one in which Fastify shows what is none of his business: the message of an error, or the
 * path that an internal redirect has led to. What a handler of the user's writes by itself stays as it is.
 * @returns the body that is sent
 */
export function hideInside (request: FastifyRequest, reply: FastifyReply, payload: unknown): unknown {
  const shown = reply.statusCode < 400 || typeof payload !== 'string' ? undefined : withoutInside(payload, request, reply)
  if (shown === undefined) return payload
  if (reply.hasHeader('content-length')) reply.header('content-length', Buffer.byteLength(shown))
  return shown
}

function withoutInside (payload: string, { raw }: FastifyRequest, reply: FastifyReply): string | undefined {
  const { statusCode } = reply
  const error = answered.get(reply)
  const inside = error !== undefined && statusCode >= 500
    ? error.message
    : redirectStateOf(raw) === undefined ? undefined : `Route ${raw.method}:${raw.url} not found`
  if (inside === undefined || !payload.includes('"message"')) return undefined
  let shown: unknown
  try {
    shown = JSON.parse(payload)
  } catch {
    return undefined
  }
  if (typeof shown !== 'object' || shown === null || Reflect.get(shown, 'message') !== inside) return undefined
  return JSON.stringify({ ...shown, message: STATUS_CODES[statusCode] ?? 'Error' })
}
