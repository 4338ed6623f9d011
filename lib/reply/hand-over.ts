import { forgetType } from '../http/described.ts'
import { onRejection } from '../options/functions.ts'
import type { FastifyReply } from 'fastify'

/**
 * Calls a hook that sends a reply itself.
 * @param failed called with what it throws, or is rejected with
 */
export function handOver (reply: FastifyReply, call: () => unknown, failed: (error: unknown) => void): void {
  const { send } = reply
  reply.send = payload => {
    reply.send = send
    // Fastify refuses an object with a type that is not JSON's, and a Response has its own.
    if (isPlain(payload)) forgetType(reply)
    return send.call(reply, payload)
  }
  try {
    onRejection(call(), reply, failed)
  } catch (error) {
    failed(error)
  }
}

/** What is neither text nor bytes nor a stream of them. */
function isPlain (payload: unknown): boolean {
  return typeof payload === 'object' && payload !== null && !ArrayBuffer.isView(payload) && !('pipe' in payload) && !('getReader' in payload)
}
