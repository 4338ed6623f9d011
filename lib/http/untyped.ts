import { asOwn, onFirst } from './route-hooks.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** The body that is about to be sent, until the first hook has it: Fastify comes there from `send` at once. */
let untyped: Buffer | undefined
/** What its reply said of its type. */
let said: unknown

/**
 * Has a reply keep what it says of its type when this Buffer is sent as its body, which is best done at once: Fastify gives every Buffer a
 * type where there is none, or none that it understands.
 */
export function keepType (request: FastifyRequest, reply: FastifyReply, body: Buffer): void {
  onFirst(request, takeBack)
  untyped = body
  said = reply.getHeader('content-type')
}

const takeBack = asOwn((_request: FastifyRequest, reply: FastifyReply, payload: unknown, done: () => void): void => {
  if (untyped !== undefined) {
    if (payload === untyped && reply.getHeader('content-type') !== said) {
      reply.removeHeader('content-type')
      if (reply.getHeader('content-type') !== said) reply.header('content-type', said)
    }
    untyped = undefined
  }
  done()
})
