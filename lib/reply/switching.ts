import { addCookie } from './header-lists.ts'
import { flushHead } from '../http/raw-reply.ts'
import { hookHeaders } from './response-headers.ts'
import type { ReplySettings } from './settings.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * Sends the head of a 101 past Fastify, to which it is no reply; what follows it is not HTTP.
 * @throws what the user's hooks throw, and what Node.js says to headers that cannot be sent
 */
export function sendSwitch (
  mount: ReplySettings, request: FastifyRequest, reply: FastifyReply, head: ResponseHead, cookie: string | undefined
): void {
  const { raw } = reply
  let headers = mount.filter.apply(head, false)
  if (mount.hooks.rewriteHeaders !== undefined) {
    headers = hookHeaders(mount.hooks.rewriteHeaders(headers, request), head.headers, false)
  }
  if (cookie !== undefined) addCookie(headers, cookie)
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value)
  for (const [name, value] of Object.entries(headers)) raw.setHeader(name, value)
  raw.setHeader('connection', 'upgrade')
  // A header of the connection, which is not among those of a reply.
  const { upgrade } = head.headers
  if (upgrade !== undefined) raw.setHeader('upgrade', upgrade)
  for (const name of ['content-length', 'transfer-encoding']) raw.removeHeader(name)
  reply.hijack()
  if (head.statusMessage === '') raw.writeHead(101)
  else raw.writeHead(101, head.statusMessage)
  flushHead(raw)
}
