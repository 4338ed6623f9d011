import { errors } from 'undici'
import { isNoServer } from '../errors.ts'
import type { UpstreamError } from '../../types/exchange.ts'

/** What undici says of a unix socket without a listener, or whose queue is full, no retry knows; these do happen while an application restarts. */
const UNIX_CODES = new Set(['ENOENT', 'EAGAIN'])

/**
 * An error in undici's words: interceptors and libraries look at `code` (`ECONNREFUSED`, `UND_ERR_SOCKET`,
 * `UND_ERR_HEADERS_TIMEOUT`, ...). It has the message, `statusCode`, `address`, `phase` and `kind` of the error of ours, which is its
 * `cause`. Errors that are the caller's to mend stay what they are.
 */
export function undiciError (error: Error & { code?: unknown }): Error {
  const made = translate(error)
  if (made === undefined) return error
  made.cause = error
  const details: Record<string, unknown> = {}
  for (const key of ['statusCode', 'address', 'phase', 'kind']) if (key in error) details[key] = Reflect.get(error, key)
  return Object.assign(made, details)
}

function translate (error: Error & { code?: unknown }): Error | undefined {
  const { message } = error
  switch (error.code) {
    case 'FST_SCGI_CONNECT_TIMEOUT':
      return new errors.ConnectTimeoutError(message)
    case 'FST_SCGI_SEND_TIMEOUT':
      return new errors.HeadersTimeoutError(message)
    case 'FST_SCGI_READ_TIMEOUT':
      return isUpstreamError(error) && error.phase === 'body' ? new errors.BodyTimeoutError(message) : new errors.HeadersTimeoutError(message)
    case 'FST_SCGI_HEADER_TOO_BIG':
      return new errors.HeadersOverflowError(message)
    case 'FST_SCGI_INVALID_HEADER':
      return Object.assign(new errors.HTTPParserError(message), { code: 'HPE_INVALID_HEADER_TOKEN' })
    case 'FST_SCGI_SEND':
      // Nothing is wrong with this machine then, but with the length that was announced.
      return isUpstreamError(error) && error.kind === 'local' ? new errors.RequestContentLengthMismatchError(message) : socketError(error)
    case 'FST_SCGI_CONNECT':
    case 'FST_SCGI_LOCAL':
    case 'FST_SCGI_READ':
    case 'FST_SCGI_PREMATURE_CLOSE':
    case 'FST_SCGI_BODY_TRUNCATED':
      return socketError(error)
    default:
      return isNoServer(error) ? socketError(error) : undefined
  }
}

function socketError ({ message, cause }: Error): Error {
  const made = new errors.SocketError(message)
  const system = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
  if (system === undefined || !/^E[A-Z0-9]+$/.test(system) || UNIX_CODES.has(system)) return made
  // The field of the class has the type of its one value.
  return Object.defineProperty(made, 'code', { value: system, enumerable: true, configurable: true, writable: true })
}

function isUpstreamError (error: Error): error is UpstreamError {
  return 'phase' in error && 'kind' in error
}
