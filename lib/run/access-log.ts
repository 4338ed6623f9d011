import { toError } from '../runtime/caught.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AccessLogEntry, AccessLogFormat } from '../../types/config.ts'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * Writes one line for each request, when it is over: Fastify's onResponse is not called where the client has left.
 */
export function logAccess (app: FastifyInstance, format: 'combined' | 'json' | AccessLogFormat, out: { write (line: string): void }): void {
  const make = format === 'combined' ? combined : format === 'json' ? json : format
  const write = (request: FastifyRequest, reply: FastifyReply, { time, began, ip }: Begun): void => {
    try {
      const remoteAddress = request.scgi?.clientAddress ?? ip
      const entry = { ...entryOf(request, reply), time, remoteAddress, duration: performance.now() - began }
      const line = make(entry, request, reply)
      if (typeof line === 'string' && line !== '') out.write(`${line.replace(/\r?\n$/, '')}\n`)
    } catch (error) {
      request.log.error({ err: error }, `the access log's function failed: ${toError(error).message}`)
    }
  }
  app.addHook('onRequest', (request, reply, done) => {
    // One for all hops of an internal redirect: the reply is the same. What is to be told of the servers is there in the next turn.
    if ((request.scgi?.hop ?? 0) === 0 && !seen.has(reply.raw)) {
      seen.add(reply.raw)
      // The address is gone with the connection.
      const begun = { time: new Date(), began: performance.now(), ip: request.ip }
      reply.raw.once('close', () => setImmediate(write, request, reply, begun))
    }
    done()
  })
}

const seen = new WeakSet<object>()

/** What must be asked when a request comes. */
interface Begun {
  readonly time: Date
  readonly began: number
  readonly ip: string
}

function entryOf (request: FastifyRequest, reply: FastifyReply): Omit<AccessLogEntry, 'time' | 'remoteAddress' | 'duration'> {
  const { raw, scgi, headers } = request
  const begun = reply.raw.headersSent
  return {
    remoteUser: userOf(headers.authorization),
    method: raw.method ?? '-',
    url: request.originalUrl,
    httpVersion: raw.httpVersion,
    status: begun ? reply.raw.statusCode : 499,
    aborted: !reply.raw.writableFinished,
    bytes: bytesOf(request, reply),
    referer: headers.referer,
    userAgent: headers['user-agent'],
    requestId: request.id,
    upstream: known(scgi?.upstreamAddr),
    upstreamStatus: known(scgi?.upstreamStatus),
    upstreamTime: known(scgi?.upstreamResponseTime),
    cacheStatus: known(scgi?.cacheStatus),
  }
}

function known (text: string | undefined): string | undefined {
  return text === '' || text === '-' ? undefined : text
}

function bytesOf (request: FastifyRequest, reply: FastifyReply): number | undefined {
  if (!reply.raw.headersSent) return 0
  // Their Content-Length is that of a body which is not sent.
  const { statusCode } = reply.raw
  if (request.method === 'HEAD' || statusCode === 204 || statusCode === 304) return 0
  const length = reply.getHeader('content-length')
  if (length !== undefined && reply.raw.writableFinished) return Number(length)
  return undefined
}

function userOf (authorization: string | undefined): string | undefined {
  const [, credentials] = /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '') ?? []
  if (credentials === undefined) return undefined
  const [user = ''] = Buffer.from(credentials, 'base64').toString('utf8').split(':')
  return user === '' ? undefined : user
}

/**
 * nginx's and Apache's `combined`, and behind it what the upstream did:
 * `"127.0.0.1:4000" 200 0.012 1.5` are address, status, seconds, and milliseconds of the whole request.
 */
function combined (entry: AccessLogEntry): string {
  const { remoteAddress, remoteUser, time, method, url, httpVersion, status, bytes, referer, userAgent } = entry
  const { upstream, upstreamStatus, upstreamTime, duration } = entry
  return `${remoteAddress} - ${escaped(remoteUser ?? '-')} [${commonDate(time)}] "${escaped(method)} ${escaped(url)} HTTP/${httpVersion}" ${status} ${bytes ?? '-'} ` +
    `"${escaped(referer ?? '-')}" "${escaped(userAgent ?? '-')}" "${upstream ?? '-'}" ${upstreamStatus ?? '-'} ${upstreamTime ?? '-'} ${(duration / 1000).toFixed(3)}`
}

function json (entry: AccessLogEntry): string {
  return JSON.stringify({ ...entry, duration: Math.round(entry.duration * 1000) / 1000 })
}

/** What a client sends must not pass for the end of a field, or for a line. (nginx: escape=default) */
function escaped (text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/["\\\u0000-\u001f\u007f]/g, sign => `\\x${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}

/** `29/Nov/2026:23:25:00 +0000` */
function commonDate (time: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0')
  const offset = -time.getTimezoneOffset()
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`
  return `${two(time.getDate())}/${MONTHS[time.getMonth()]}/${time.getFullYear()}:${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())} ${zone}`
}
