import { STATUS_CODES } from 'node:http'
import type { FastifyReply } from 'fastify'

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
 * The body for the client in the place of the one in which Fastify shows the message of the error; `undefined` where there is nothing
 * to hide. What an error handler of the user's writes by itself stays as it is.
 */
export function clientError (reply: FastifyReply, payload: unknown): string | undefined {
  const error = answered.get(reply)
  if (error === undefined || typeof payload !== 'string' || !payload.includes('"message"')) return undefined
  const { statusCode } = reply
  let shown: unknown
  try {
    shown = JSON.parse(payload)
  } catch {
    return undefined
  }
  if (typeof shown !== 'object' || shown === null || Reflect.get(shown, 'message') !== error.message) return undefined
  return JSON.stringify({ ...shown, message: STATUS_CODES[statusCode] ?? 'Error' })
}
