import createError from '@fastify/error'
import type { ExchangePhase, FailureKind, UpstreamError } from '../types/exchange.ts'

// One catalogue. The message says what happened, to whom, and what to do about it.

// --- options, at register ---

/** An option has a value that it cannot have. Arguments: option, value, what is expected. */
export const FST_SCGI_OPT_INVALID = createError<[string, string, string]>(
  'FST_SCGI_OPT_INVALID', "fastify-scgi: option '%s' is %s, expected %s", 500, TypeError)
/** An option that does not exist, or that this version does not deliver. Arguments: option, hint. */
export const FST_SCGI_OPT_UNKNOWN = createError<[string, string]>(
  'FST_SCGI_OPT_UNKNOWN', "fastify-scgi: there is no option '%s'%s", 500, TypeError)
/** Options that exclude each other, or lack what they need here. Arguments: option, reason. */
export const FST_SCGI_OPT_UNSUPPORTED = createError<[string, string]>(
  'FST_SCGI_OPT_UNSUPPORTED', "fastify-scgi: option '%s' cannot be used: %s", 500, TypeError)
/** A server's name does not resolve. Arguments: name, reason. */
export const FST_SCGI_RESOLVE = createError<[string, string]>(
  'FST_SCGI_RESOLVE', "fastify-scgi: the name of the upstream server '%s' does not resolve (%s): mend the name or the resolver", 502)

// --- the client's request ---

/** The request cannot be passed on. Argument: what is wrong with it. */
export const FST_SCGI_BAD_REQUEST = createError<[string]>('FST_SCGI_BAD_REQUEST', 'Bad request: %s', 400)
/** Arguments: limit in bytes. */
export const FST_SCGI_BODY_TOO_LARGE = createError<[number]>(
  'FST_SCGI_BODY_TOO_LARGE', 'Request body is larger than bodyLimit (%d bytes)', 413)
/** Arguments: size, limit. */
export const FST_SCGI_PARAMS_TOO_LARGE = createError<[number, number]>(
  'FST_SCGI_PARAMS_TOO_LARGE', 'The SCGI header block has %d bytes, more than maxParamsSize (%d): send fewer or shorter request headers', 431)
export const FST_SCGI_CLIENT_BODY_TIMEOUT = createError<[number]>(
  'FST_SCGI_CLIENT_BODY_TIMEOUT', 'The client sent nothing of its request body for %d ms (clientBodyTimeout)', 408)
/** The client went away; for the log only. */
export const FST_SCGI_CLIENT_ABORT = createError('FST_SCGI_CLIENT_ABORT', 'The client closed the connection', 499)
/** `reply.scgi()` in a route whose body Fastify has parsed. */
export const FST_SCGI_BODY_CONSUMED = createError(
  'FST_SCGI_BODY_CONSUMED',
  "The request body was parsed before reply.scgi() was called: give the bytes to send as its option 'body', or add a content type parser that leaves the body alone",
  500)

// --- choosing a server ---

/** Argument: name of the group. */
export const FST_SCGI_NO_LIVE_UPSTREAMS = createError<[string]>(
  'FST_SCGI_NO_LIVE_UPSTREAMS', 'No live upstreams in %s: every server is down, failed, at maxConns, or was tried already', 502)
/** A function `upstreams` gave something that is not configured, or nothing. Arguments: value, reason. */
export const FST_SCGI_UPSTREAM_NOT_ALLOWED = createError<[string, string]>(
  'FST_SCGI_UPSTREAM_NOT_ALLOWED', "The function 'upstreams' gave %s, which cannot be used: %s", 500)

// --- the exchange with a server; made by upstreamError() ---

/** Arguments: address, reason. */
export const FST_SCGI_CONNECT = createError<[string, string]>('FST_SCGI_CONNECT', 'connect() to %s failed: %s', 502)
export const FST_SCGI_CONNECT_TIMEOUT = createError<[string, number]>(
  'FST_SCGI_CONNECT_TIMEOUT', 'connect() to %s did not succeed within %d ms (connectTimeout)', 504)
/** The local end failed: bind, no file descriptors. Arguments: address, reason. */
export const FST_SCGI_LOCAL = createError<[string, string]>('FST_SCGI_LOCAL', 'Cannot open a socket to %s: %s', 500)
export const FST_SCGI_SEND = createError<[string, string]>('FST_SCGI_SEND', 'Sending the request to %s failed: %s', 502)
export const FST_SCGI_SEND_TIMEOUT = createError<[string, number]>(
  'FST_SCGI_SEND_TIMEOUT', '%s took nothing of the request for %d ms (sendTimeout)', 504)
export const FST_SCGI_READ = createError<[string, string]>('FST_SCGI_READ', 'Reading the reply of %s failed: %s', 502)
export const FST_SCGI_READ_TIMEOUT = createError<[string, string, number]>(
  'FST_SCGI_READ_TIMEOUT', '%s sent %s within %d ms (readTimeout)', 504)
/** Arguments: address, what is known about the cause. */
export const FST_SCGI_PREMATURE_CLOSE = createError<[string, string]>(
  'FST_SCGI_PREMATURE_CLOSE', '%s closed the connection before the head of its reply was complete%s', 502)
/** Arguments: address, what is wrong. */
export const FST_SCGI_INVALID_HEADER = createError<[string, string]>(
  'FST_SCGI_INVALID_HEADER', '%s sent an invalid reply head: %s', 502)
/** Arguments: address, limit. */
export const FST_SCGI_HEADER_TOO_BIG = createError<[string, number]>(
  'FST_SCGI_HEADER_TOO_BIG', '%s sent a reply head of more than %d bytes (buffering.bufferSize)', 502)
/** Arguments: address, what is wrong. */
export const FST_SCGI_BODY_TRUNCATED = createError<[string, string]>(
  'FST_SCGI_BODY_TRUNCATED', 'The reply body of %s is incomplete: %s', 502)

// --- ScgiClient ---

/** The client is closed, or was destroyed while the request ran. */
export const FST_SCGI_CLIENT_CLOSED = createError('FST_SCGI_CLIENT_CLOSED', 'The SCGI client is closed', 503)

// --- the SCGI server ---

/** The gateway did not send its request in time. Arguments: option, limit in milliseconds. */
export const FST_SCGI_REQUEST_TIMEOUT = createError<[string, number]>(
  'FST_SCGI_REQUEST_TIMEOUT', 'The request was not complete in time (%s, %d ms)', 408)

/** The request body could not be buffered: the disk is full, or the temporary directory cannot be written. Argument: reason. */
export const FST_SCGI_TEMP_FILE = createError<[string]>(
  'FST_SCGI_TEMP_FILE', 'Buffering the request body failed: %s', 500)

/**
 * Fills in what every error of an exchange tells beside its message.
 */
export function upstreamError (
  error: Error & { code: string, statusCode?: number }, address: string, kind: FailureKind, phase: ExchangePhase, cause?: unknown
): UpstreamError {
  if (cause !== undefined) error.cause = cause
  return Object.assign(error, { address, kind, phase, statusCode: error.statusCode ?? 502 })
}
