// By its name: the default export has no types where a consumer compiles to CommonJS.
import type { createError as CreateError } from '@fastify/error'
import { requireCommonJs } from './runtime/commonjs.ts'
import type { ExchangePhase, FailureKind, UpstreamError } from '../types/exchange.ts'

const { createError }: { createError: typeof CreateError } = requireCommonJs('@fastify/error')

// One catalogue. The message says what happened, to whom, and what to do about it.

/**
 * Errors of servers and clients, of which there is one for each request during an outage. They have no stack trace: it would only show
 * where this code noticed the failure, and be the largest part of a log line.
 */
function outage<Arguments extends unknown[] = []> (code: string, message: string, statusCode: number) {
  const create = createError<string, Arguments>(code, message, statusCode, Error, false)
  // Others expect one to be there.
  Object.defineProperty(create.prototype, 'stack', {
    configurable: true,
    get (this: Error) { return `${this.name}: ${this.message}` },
    set (this: Error, value: unknown) { Object.defineProperty(this, 'stack', { value, configurable: true, writable: true }) },
  })
  return create
}

// --- options, at register ---

/** An option has an invalid value. Arguments: option, value, what is expected. */
export const FST_SCGI_OPT_INVALID = createError<[string, string, string]>(
  'FST_SCGI_OPT_INVALID', "fastify-scgi: option '%s' is %s, expected %s", 500, TypeError)
/** There is no such option. Arguments: option, hint. */
export const FST_SCGI_OPT_UNKNOWN = createError<[string, string]>(
  'FST_SCGI_OPT_UNKNOWN', "fastify-scgi: there is no option '%s'%s", 500, TypeError)
/** Options that exclude each other, or need something that is missing here. Arguments: option, reason. */
export const FST_SCGI_OPT_UNSUPPORTED = createError<[string, string]>(
  'FST_SCGI_OPT_UNSUPPORTED', "fastify-scgi: option '%s' cannot be used: %s", 500, TypeError)
/** A function among the options returned a promise, but must be synchronous. Argument: option. */
export const FST_SCGI_PROMISE = createError<[string]>(
  'FST_SCGI_PROMISE', "The function '%s' gave a promise, but its value is needed at once: get it in a hook of the route before, and return it here", 500, TypeError)
/** A server's name does not resolve. Arguments: name, reason. */
export const FST_SCGI_RESOLVE = outage<[string, string]>(
  'FST_SCGI_RESOLVE', "fastify-scgi: the name of the upstream server '%s' does not resolve (%s): correct the name or the resolver", 502)

/** An application that the gateway is to start cannot be started. Arguments: command and arguments, reason and advice. */
export const FST_SCGI_SPAWN = createError<[string, string]>(
  'FST_SCGI_SPAWN', "fastify-scgi: the application '%s' cannot be started: %s", 500)

// --- the client's request ---

/** The request cannot be passed on. Argument: what is wrong with it. */
export const FST_SCGI_BAD_REQUEST = createError<[string]>('FST_SCGI_BAD_REQUEST', 'Bad request: %s', 400)
/** The body has a transfer coding that is not supported. Argument: its Transfer-Encoding. */
export const FST_SCGI_TRANSFER_CODING = createError<[string]>(
  'FST_SCGI_TRANSFER_CODING', 'Transfer-Encoding %s is not implemented: send chunked, and say in Content-Encoding how the content is coded', 501)
/** The path contains an escaped slash, and `encodedSlashes` is `'refuse'`. */
export const FST_SCGI_ENCODED_SLASH = createError('FST_SCGI_ENCODED_SLASH', "Not found: the path contains an escaped slash (encodedSlashes is 'refuse')", 404)
/** A segment of the path is too long for the parameter of a route that would have served it. Argument: limit in characters. */
export const FST_SCGI_PATH_TOO_LONG = createError<[number]>(
  'FST_SCGI_PATH_TOO_LONG', "A segment of the path is longer than %d characters (Fastify's maxParamLength)", 414)
/** Arguments: limit in bytes. */
export const FST_SCGI_BODY_TOO_LARGE = createError<[number]>(
  'FST_SCGI_BODY_TOO_LARGE', 'Request body is larger than bodyLimit (%d bytes)', 413)
/** Arguments: size, limit. */
export const FST_SCGI_PARAMS_TOO_LARGE = createError<[number, number]>(
  'FST_SCGI_PARAMS_TOO_LARGE', 'The SCGI header block has %d bytes, more than maxParamsSize (%d): send fewer or shorter request headers', 431)
export const FST_SCGI_CLIENT_BODY_TIMEOUT = outage<[number]>(
  'FST_SCGI_CLIENT_BODY_TIMEOUT', 'The client sent nothing of its request body for %d ms (clientBodyTimeout)', 408)
/** The client disconnected; for the log only. */
export const FST_SCGI_CLIENT_ABORT = outage('FST_SCGI_CLIENT_ABORT', 'The client closed the connection', 499)
/** Fastify has parsed the body, a hook has read it or a part of it, or the stream that was given is over already. */
export const FST_SCGI_BODY_CONSUMED = createError(
  'FST_SCGI_BODY_CONSUMED',
  "The request body was parsed or read before it could be sent: pass the body to send as the option 'body' of reply.scgi(), or have hooks and content type parsers leave it unread; a hook that wants it, too, must give another stream in its place in preParsing, such as payload.pipe(new PassThrough())",
  500)

// --- choosing a server ---

/** Argument: name of the group. */
export const FST_SCGI_NO_LIVE_UPSTREAMS = outage<[string]>(
  'FST_SCGI_NO_LIVE_UPSTREAMS', 'No live upstreams in %s: every server is down, failed, at maxConns, or was tried already', 502)
/** The servers of a session are out, and `sticky.failover` is false. Argument: name of the group. */
export const FST_SCGI_NO_FAILOVER = outage<[string]>(
  'FST_SCGI_NO_FAILOVER', 'The server of this session in %s is down, failed or at maxConns, and sticky.failover is false', 503)
/** The queue of a group is full. Arguments: name of the group, size. */
export const FST_SCGI_QUEUE_FULL = outage<[string, number]>(
  'FST_SCGI_QUEUE_FULL', 'Every live server of %s is at maxConns, and the queue is full (%d requests)', 502)
/** A request waited too long in the queue of a group. Arguments: name of the group, limit in milliseconds. */
export const FST_SCGI_QUEUE_TIMEOUT = outage<[string, number]>(
  'FST_SCGI_QUEUE_TIMEOUT', 'Every live server of %s was at maxConns for %d ms', 502)
/** `select` of a `balance` returned an invalid server. Argument: what it returned. */
export const FST_SCGI_SELECT = createError<[string]>(
  'FST_SCGI_SELECT', "The method 'select' of a balance gave %s, expected one of context.servers, or undefined", 500)
/** A function `upstreams` returned something that is not configured, or nothing. Arguments: value, reason. */
export const FST_SCGI_UPSTREAM_NOT_ALLOWED = createError<[string, string]>(
  'FST_SCGI_UPSTREAM_NOT_ALLOWED', "The function 'upstreams' gave %s, which cannot be used: %s", 500)

// --- edits of a group ---

/** Arguments: group, name. */
export const FST_SCGI_SERVER_UNKNOWN = createError<[string, string]>(
  'FST_SCGI_SERVER_UNKNOWN', 'The group %s has no server %s', 404)
/** A server that was found in the DNS cannot be removed on its own. Arguments: server, address in the options. */
export const FST_SCGI_SERVER_DISCOVERED = createError<[string, string]>(
  'FST_SCGI_SERVER_DISCOVERED', "%s would be back with the next answer of the DNS: disable it, or remove '%s'", 409)

// --- groups that processes share ---

/** Argument: what failed. Never the answer to a request. */
export const FST_SCGI_CHANNEL = createError<[string]>(
  'FST_SCGI_CHANNEL', 'The channel between the gateways failed: %s', 500)

// --- the exchange with a server; made by upstreamError() ---

/** Arguments: address, reason. */
export const FST_SCGI_CONNECT = outage<[string, string]>('FST_SCGI_CONNECT', 'connect() to %s failed: %s', 502)
export const FST_SCGI_CONNECT_TIMEOUT = outage<[string, number]>(
  'FST_SCGI_CONNECT_TIMEOUT', 'connect() to %s did not succeed within %d ms (connectTimeout)', 504)
/** The local end failed: bind, no file descriptors. Arguments: address, reason. */
export const FST_SCGI_LOCAL = outage<[string, string]>('FST_SCGI_LOCAL', 'Cannot open a socket to %s: %s', 500)
export const FST_SCGI_SEND = outage<[string, string]>('FST_SCGI_SEND', 'Sending the request to %s failed: %s', 502)
export const FST_SCGI_SEND_TIMEOUT = outage<[string, number]>(
  'FST_SCGI_SEND_TIMEOUT', '%s took nothing of the request for %d ms (sendTimeout)', 504)
export const FST_SCGI_READ = outage<[string, string]>('FST_SCGI_READ', 'Reading the reply of %s failed: %s', 502)
export const FST_SCGI_READ_TIMEOUT = outage<[string, string, number]>(
  'FST_SCGI_READ_TIMEOUT', '%s sent %s within %d ms (readTimeout)', 504)
/** Arguments: address, what is known about the cause. */
export const FST_SCGI_PREMATURE_CLOSE = outage<[string, string]>(
  'FST_SCGI_PREMATURE_CLOSE', '%s closed the connection before the head of its reply was complete%s', 502)
/** Arguments: address, what is wrong. */
export const FST_SCGI_INVALID_HEADER = outage<[string, string]>(
  'FST_SCGI_INVALID_HEADER', '%s sent an invalid reply head: %s', 502)
/** Arguments: address, limit. */
export const FST_SCGI_HEADER_TOO_BIG = outage<[string, number]>(
  'FST_SCGI_HEADER_TOO_BIG', '%s sent a reply head of more than %d bytes (buffering.bufferSize)', 502)
/** Arguments: address, what is wrong. */
export const FST_SCGI_BODY_TRUNCATED = outage<[string, string]>(
  'FST_SCGI_BODY_TRUNCATED', 'The reply body of %s is incomplete: %s', 502)

// --- response handling ---

// The target is in the `cause` of these: clients must not see internal paths, and an error handler may show the message.

/** Argument: limit. */
export const FST_SCGI_REDIRECT_CYCLE = createError<[number]>(
  'FST_SCGI_REDIRECT_CYCLE', 'Internal redirection cycle: more than %d internal redirects', 500)
export const FST_SCGI_LOCATION_UNKNOWN = createError(
  'FST_SCGI_LOCATION_UNKNOWN', 'There is no location of the name that the application gave: add it with fastify.scgi.location()', 500)
/** X-Accel-Redirect or an internally followed Location with an invalid target. */
export const FST_SCGI_REDIRECT_TARGET = createError('FST_SCGI_REDIRECT_TARGET', 'Not found', 404)
/** A function of `errorPages` failed, or returned an invalid target. Arguments: option, what it did. */
export const FST_SCGI_ERROR_PAGE = createError<[string, string]>(
  'FST_SCGI_ERROR_PAGE', 'The function for %s gave no error page: %s', 500)
/** `interceptErrors: 'handler'` without an error page for the status, or an error page that failed. Arguments: address, status. */
export const FST_SCGI_INTERCEPTED = outage<[string, number]>(
  'FST_SCGI_INTERCEPTED', '%s answered %d, and interceptErrors is on', 500)
/** A precondition of the request is false. */
export const FST_SCGI_PRECONDITION_FAILED = createError('FST_SCGI_PRECONDITION_FAILED', 'Precondition failed', 412)
/** A body that is sent as ranges or with a rate limit ended or was closed too early. Arguments: bytes received, ` of N` if it is known. */
export const FST_SCGI_REPLY_TRUNCATED = outage<[number, string]>(
  'FST_SCGI_REPLY_TRUNCATED', 'The body of the reply broke off after %d%s bytes', 500)
/** A hook has taken bytes of a reply's body before it was sent, and gives the rest as the whole. */
export const FST_SCGI_REPLY_CONSUMED = createError(
  'FST_SCGI_REPLY_CONSUMED',
  'A hook has read of the body of the reply before it could be sent: an asynchronous hook that listens to it must give another stream in its place, such as payload.pipe(new PassThrough())',
  500)
/** Arguments: limit in milliseconds. */
export const FST_SCGI_CLIENT_SEND_TIMEOUT = outage<[number]>(
  'FST_SCGI_CLIENT_SEND_TIMEOUT', 'The client took nothing of its reply for %d ms (clientSendTimeout)', 408)

// --- cache stores ---

/** A store could not write, read or purge; for the log only, the client still gets its reply. Argument: what failed. */
export const FST_SCGI_CACHE_STORE = createError<[string]>('FST_SCGI_CACHE_STORE', 'The cache store failed: %s', 500)

// --- ScgiClient ---

/** The client is closed, or was destroyed during the request. */
export const FST_SCGI_CLIENT_CLOSED = outage('FST_SCGI_CLIENT_CLOSED', 'The SCGI client is closed', 503)

// --- the SCGI server ---

/** The gateway did not send its request in time. Arguments: option, limit in milliseconds. */
export const FST_SCGI_REQUEST_TIMEOUT = createError<[string, number]>(
  'FST_SCGI_REQUEST_TIMEOUT', 'The request was not complete in time (%s, %d ms)', 408)

/** A request body or a reply could not be buffered: the disk is full, or the temporary directory cannot be written. Argument: reason. */
export const FST_SCGI_TEMP_FILE = createError<[string]>(
  'FST_SCGI_TEMP_FILE', 'Buffering in a temporary file failed: %s', 500)

// --- files: sendfile, internal locations, store ---

/** The file to send does not exist or is not a regular file. The path is in the `cause`: the message goes to the client. */
export const FST_SCGI_FILE_NOT_FOUND = createError('FST_SCGI_FILE_NOT_FOUND', 'Not found', 404)
/** The file to send is outside its root, or cannot be read by this user. The path is in the `cause`: the message goes to the client. */
export const FST_SCGI_FILE_FORBIDDEN = createError('FST_SCGI_FILE_FORBIDDEN', 'Forbidden', 403)
/** This machine failed to open or read a file, or the file became shorter while it was sent. Argument: reason. */
export const FST_SCGI_FILE = createError<[string]>('FST_SCGI_FILE', 'The file cannot be sent: %s', 500)
/** A reply could not be stored; for the log only, the client still gets it. Arguments: file, reason. */
export const FST_SCGI_STORE = createError<[string, string]>('FST_SCGI_STORE', "The reply could not be stored as '%s': %s", 500)

// --- the cache ---

/** An error that the cache remembers and sends again. `statusCode` is set to that of the error. Argument: status. */
export const FST_SCGI_CACHED_ERROR = outage<[number]>(
  'FST_SCGI_CACHED_ERROR', 'An earlier request for the same ended with status %d, which the cache remembers (cache.valid)', 502)
/** A client sent `Cache-Control: only-if-cached`, there is no entry, and `cache.clientControl` is `'obey'`. */
export const FST_SCGI_ONLY_IF_CACHED = outage(
  'FST_SCGI_ONLY_IF_CACHED', 'The client sent Cache-Control: only-if-cached, and the cache has no usable entry', 504)
/** A purge could not be done. Arguments: name of the cache, reason. */
export const FST_SCGI_CACHE_PURGE = createError<[string, string]>(
  'FST_SCGI_CACHE_PURGE', "Purging the cache '%s' failed: %s", 500)

/** The entries of a cache could not be listed. Arguments: name of the cache, reason. */
export const FST_SCGI_CACHE_LIST = createError<[string, string]>(
  'FST_SCGI_CACHE_LIST', "The entries of the cache '%s' cannot be listed: %s", 500)

// --- the operator's page and API ---

/** Argument: why. */
export const FST_SCGI_ADMIN_FORBIDDEN = createError<[string]>('FST_SCGI_ADMIN_FORBIDDEN', 'Forbidden: %s', 403)
/** The page does not answer to the Host of a request. Argument: Host. */
export const FST_SCGI_ADMIN_HOST = createError<[string]>(
  'FST_SCGI_ADMIN_HOST', "The page does not answer to the name '%s': call it by address, or list the name in the option 'hosts'", 403)
/** An edit without a valid token. */
export const FST_SCGI_ADMIN_TOKEN = createError(
  'FST_SCGI_ADMIN_TOKEN', "An edit needs a valid token in the header x-gateway-token: get one from 'api/token'", 403)
/** Argument: what does not exist. */
export const FST_SCGI_ADMIN_NOT_FOUND = createError<[string]>('FST_SCGI_ADMIN_NOT_FOUND', 'There is no %s', 404)
/** Argument: what is wrong. */
export const FST_SCGI_ADMIN_INPUT = createError<[string]>('FST_SCGI_ADMIN_INPUT', 'The request cannot be understood: %s', 400)
/** An edit whose If-Match is that of an earlier state. Argument: current ETag. */
export const FST_SCGI_ADMIN_CHANGED = createError<[string]>(
  'FST_SCGI_ADMIN_CHANGED', 'Somebody has edited it meanwhile (its ETag is %s now): read it again', 412)
/** An edit without If-Match. */
export const FST_SCGI_ADMIN_MATCH = createError(
  'FST_SCGI_ADMIN_MATCH', "The edit needs If-Match with the ETag of what it changes, or '*' for any state", 428)
/** Arguments: file, reason. */
export const FST_SCGI_ADMIN_STATE = createError<[string, string]>(
  'FST_SCGI_ADMIN_STATE', "The edit is in effect, but could not be saved in '%s': %s", 500)

const NO_SERVER: ReadonlySet<unknown> = new Set([
  'FST_SCGI_NO_LIVE_UPSTREAMS', 'FST_SCGI_NO_FAILOVER', 'FST_SCGI_QUEUE_FULL', 'FST_SCGI_QUEUE_TIMEOUT', 'FST_SCGI_RESOLVE',
])

/** There was no server to send the request to: all that it may go to are out, or at `maxConns`, or their name is not known. */
export function isNoServer (error: Error): boolean {
  return 'code' in error && NO_SERVER.has(error.code)
}

/** Sets the cause of an error of an outage; the cause has no stack trace either. */
export function causedBy<E extends Error> (error: E, cause: unknown): E {
  error.cause = cause
  if (cause instanceof Error) cause.stack = `${cause.name}: ${cause.message}`
  return error
}

/**
 * Sets the fields that every error of an exchange has.
 */
export function upstreamError (
  error: Error & { code: string, statusCode?: number }, address: string, kind: FailureKind, phase: ExchangePhase, cause?: unknown
): UpstreamError {
  return Object.assign(cause === undefined ? error : causedBy(error, cause), { address, kind, phase, statusCode: error.statusCode ?? 502 })
}
