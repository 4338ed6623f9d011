import { isList, union } from '../http/lists.ts'
import type { FastifyReply } from 'fastify'

/** Joins what hooks have said before in a list with what the application says. */
export function joinLists (reply: FastifyReply, headers: Record<string, string | string[]>): void {
  for (const name in headers) {
    const own = headers[name]
    if (own !== undefined && isList(name)) headers[name] = joinedList(reply, name, own)
  }
}

/** Sets a header of a reply, or adds to what hooks have said before in a list. */
export function addHeader (reply: FastifyReply, name: string, own: string | string[]): void {
  reply.header(name, isList(name) ? joinedList(reply, name, own) : own)
}

/** A list of the application's, joined with what hooks have said before in it. */
function joinedList (reply: FastifyReply, name: string, own: string | string[]): string | string[] {
  if (name !== 'set-cookie') {
    const before = reply.getHeader(name)
    return before === undefined ? own : union(name, [before, own].flat().map(String))
  }
  // Fastify adds to the cookies that it holds, and would write over those of the raw reply.
  const raw = reply.raw.getHeader(name)
  if (raw === undefined) return own
  reply.raw.removeHeader(name)
  return [raw, own].flat().map(String)
}

/** Adds a cookie to those that there are, however their header is spelt. */
export function addCookie (headers: Record<string, string | string[]>, line: string): void {
  const name = Object.keys(headers).find(key => key.toLowerCase() === 'set-cookie') ?? 'set-cookie'
  headers[name] = withCookie(headers[name], line)
}

/** Cookies, and one more. */
export function withCookie (cookies: string | readonly string[] | undefined, line: string): string[] {
  return cookies === undefined ? [line] : typeof cookies === 'string' ? [cookies, line] : [...cookies, line]
}
