import { asOwn, onFirst } from './route-hooks.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

type Done = (error?: null, payload?: unknown) => void

/** The body that is being sent, until the first hook has it: Fastify comes there from `send` at once. */
let waiting: Buffer | undefined
/** What the reply of that body says of its type. */
let said: unknown

/**
 * Sends bytes with what their reply says of the type, be it nothing: Fastify gives every Buffer a type where there is none, or none that it
 * understands. It is told of no body, and the first hook gives it: then it does not look for a stream or a Response in it, either.
 * @returns whether only hooks have been given the bytes
 */
export function sendBytes (request: FastifyRequest, reply: FastifyReply, body: Buffer): boolean {
  const isFirst = onFirst(request, giveBody)
  // Who has put another function in the place of `send` wants to see the body.
  const isShown = Object.hasOwn(reply, 'send')
  waiting = isFirst ? body : undefined
  if (isShown) said = reply.getHeader('content-type')
  try {
    if (isFirst && !isShown) reply.send()
    else reply.send(body)
  } finally {
    waiting = undefined
    said = undefined
  }
  return isFirst && !isShown
}

const giveBody = asOwn((_request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done): void => {
  const body = waiting
  waiting = undefined
  if (payload === undefined) {
    done(null, body)
    return
  }
  if (payload === body && reply.getHeader('content-type') !== said) {
    reply.removeHeader('content-type')
    if (reply.getHeader('content-type') !== said) reply.header('content-type', said)
  }
  done()
})
