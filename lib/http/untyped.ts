import { asOwn, onFirst } from './route-hooks.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

type Done = (error?: null, payload?: unknown) => void

/** The body that is being sent, until the first hook gives it: Fastify comes there from `send` at once. */
let waiting: Buffer | undefined

/**
 * Sends a body with what its reply says of the type, be it nothing: Fastify gives every Buffer a type where there is none, or none that it
 * understands. So it is told of no body, and the first hook gives it.
 */
export function sendUntyped (request: FastifyRequest, reply: FastifyReply, body: Buffer): void {
  waiting = onFirst(request, giveBody) ? body : undefined
  try {
    reply.send(waiting === undefined ? body : undefined)
  } finally {
    waiting = undefined
  }
}

const giveBody = asOwn((_request: FastifyRequest, _reply: FastifyReply, payload: unknown, done: Done): void => {
  const body = payload === undefined ? waiting : undefined
  waiting = undefined
  done(null, body)
})
