// By its name: the default export has no types where a consumer compiles to CommonJS.
import { createError } from '@fastify/error'
import type { ExchangePhase, FailureKind, UpstreamError } from '../types/exchange.ts'

// One catalogue. The message says what happened, to whom, and what to do about it.

/**
 * Errors of servers and clients, of which there is one for each request while something is out. Where in this code it was noticed tells
 * nobody anything: they have no stack trace, which would be the most of a line of the log.
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

/** An option has a value that it cannot have. Arguments: option, value, what is expected. */
export const FST_SCGI_OPT_INVALID = createError<[string, string, string]>(
  'FST_SCGI_OPT_INVALID', "fastify-scgi: option '%s' is %s, expected %s", 500, TypeError)
/** An option that does not exist, or that this version does not deliver. Arguments: option, hint. */
export const FST_SCGI_OPT_UNKNOWN = createError<[string, string]>(
  'FST_SCGI_OPT_UNKNOWN', "fastify-scgi: there is no option '%s'%s", 500, TypeError)
/** Options that exclude each other, or lack what they need here. Arguments: option, reason. */
export const FST_SCGI_OPT_UNSUPPORTED = createError<[string, string]>(
  'FST_SCGI_OPT_UNSUPPORTED', "fastify-scgi: option '%s' cannot be used: %s", 500, TypeError)
/** A function among the options gave a promise where its value is needed at once. Argument: option. */
export const FST_SCGI_PROMISE = createError<[string]>(
  'FST_SCGI_PROMISE', "The function '%s' gave a promise, and its value is needed at once: find it out before, in a hook of the route, and return it", 500, TypeError)
/** A server's name does not resolve. Arguments: name, reason. */
export const FST_SCGI_RESOLVE = outage<[string, string]>(
  'FST_SCGI_RESOLVE', "fastify-scgi: the name of the upstream server '%s' does not resolve (%s): mend the name or the resolver", 502)

/** An application that the gateway is to start cannot be started. Arguments: command and arguments, reason and advice. */
export const FST_SCGI_SPAWN = createError<[string, string]>(
  'FST_SCGI_SPAWN', "fastify-scgi: the application '%s' cannot be started: %s", 500)

// --- the client's request ---

/** The request cannot be passed on. Argument: what is wrong with it. */
export const FST_SCGI_BAD_REQUEST = createError<[string]>('FST_SCGI_BAD_REQUEST', 'Bad request: %s', 400)
/** The client has coded the body in a way that nobody here decodes. Argument: its Transfer-Encoding. */
export const FST_SCGI_TRANSFER_CODING = createError<[string]>(
  'FST_SCGI_TRANSFER_CODING', 'Transfer-Encoding %s is not implemented: send chunked, and say in Content-Encoding how the content is coded', 501)
/** The path holds an escaped slash, and `encodedSlashes` is `'refuse'`. */
export const FST_SCGI_ENCODED_SLASH = createError('FST_SCGI_ENCODED_SLASH', "Not found: the path holds an escaped slash (encodedSlashes is 'refuse')", 404)
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
/** The client went away; for the log only. */
export const FST_SCGI_CLIENT_ABORT = outage('FST_SCGI_CLIENT_ABORT', 'The client closed the connection', 499)
/** `reply.scgi()` in a route whose body Fastify has parsed. */
export const FST_SCGI_BODY_CONSUMED = createError(
  'FST_SCGI_BODY_CONSUMED',
  "The request body was parsed before reply.scgi() was called: give the bytes to send as its option 'body', or add a content type parser that leaves the body alone",
  500)

// --- choosing a server ---

/** Argument: name of the group. */
export const FST_SCGI_NO_LIVE_UPSTREAMS = outage<[string]>(
  'FST_SCGI_NO_LIVE_UPSTREAMS', 'No live upstreams in %s: every server is down, failed, at maxConns, or was tried already', 502)
/** The servers of a session are out, and the option `failover` of `sticky` lets it go to no other. Argument: name of the group. */
export const FST_SCGI_NO_FAILOVER = outage<[string]>(
  'FST_SCGI_NO_FAILOVER', 'The server of this session in %s is down, failed or at maxConns, and its sessions go to no other', 503)
/** A request that would have waited for a server below its maxConns found the queue full. Arguments: name of the group, size. */
export const FST_SCGI_QUEUE_FULL = outage<[string, number]>(
  'FST_SCGI_QUEUE_FULL', 'Every live server of %s is at maxConns, and the queue is full (%d requests)', 502)
/** A request waited in vain for a server below its maxConns. Arguments: name of the group, limit in milliseconds. */
export const FST_SCGI_QUEUE_TIMEOUT = outage<[string, number]>(
  'FST_SCGI_QUEUE_TIMEOUT', 'Every live server of %s was at maxConns for %d ms', 502)
/** A `balance` with `select` chose what it cannot choose. Argument: what it gave. */
export const FST_SCGI_SELECT = createError<[string]>(
  'FST_SCGI_SELECT', "The method 'select' of a balance gave %s, expected one of context.servers, or undefined", 500)
/** A function `upstreams` gave something that is not configured, or nothing. Arguments: value, reason. */
export const FST_SCGI_UPSTREAM_NOT_ALLOWED = createError<[string, string]>(
  'FST_SCGI_UPSTREAM_NOT_ALLOWED', "The function 'upstreams' gave %s, which cannot be used: %s", 500)

// --- edits of a group ---

/** Arguments: group, name. */
export const FST_SCGI_SERVER_UNKNOWN = createError<[string, string]>(
  'FST_SCGI_SERVER_UNKNOWN', 'The group %s has no server %s', 404)
/** A server that the DNS knows of cannot be removed by itself. Arguments: server, address of its line. */
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

// Where a redirect leads is in the `cause` of these: no path of the inside is for the client, and an error handler may show the message.

/** Argument: limit. */
export const FST_SCGI_REDIRECT_CYCLE = createError<[number]>(
  'FST_SCGI_REDIRECT_CYCLE', 'Internal redirection cycle: more than %d internal redirects', 500)
export const FST_SCGI_LOCATION_UNKNOWN = createError(
  'FST_SCGI_LOCATION_UNKNOWN', 'There is no location of the name that the application gave: add it with fastify.scgi.location()', 500)
/** X-Accel-Redirect or a redirecting Location with a target that is none. */
export const FST_SCGI_REDIRECT_TARGET = createError('FST_SCGI_REDIRECT_TARGET', 'Not found', 404)
/** A function of `errorPages` failed, or gave what is no target. Arguments: option, what it did. */
export const FST_SCGI_ERROR_PAGE = createError<[string, string]>(
  'FST_SCGI_ERROR_PAGE', 'The function for %s gave no error page: %s', 500)
/** `interceptErrors: 'handler'` without an error page for the status, or an error page that failed. Arguments: address, status. */
export const FST_SCGI_INTERCEPTED = outage<[string, number]>(
  'FST_SCGI_INTERCEPTED', '%s answered %d, and interceptErrors is on', 500)
/** A condition of the request does not hold. */
export const FST_SCGI_PRECONDITION_FAILED = createError('FST_SCGI_PRECONDITION_FAILED', 'Precondition failed', 412)
/** A body that is cut into ranges or slowed down ended or was closed too early. Arguments: bytes that came, ` of N` where it is known. */
export const FST_SCGI_REPLY_TRUNCATED = outage<[number, string]>(
  'FST_SCGI_REPLY_TRUNCATED', 'The body of the reply broke off after %d%s bytes', 500)
/** Arguments: limit in milliseconds. */
export const FST_SCGI_CLIENT_SEND_TIMEOUT = outage<[number]>(
  'FST_SCGI_CLIENT_SEND_TIMEOUT', 'The client took nothing of its reply for %d ms (clientSendTimeout)', 408)

// --- cache stores ---

/** A store could not write, read or purge; for the log, a client gets its reply all the same. Argument: what failed. */
export const FST_SCGI_CACHE_STORE = createError<[string]>('FST_SCGI_CACHE_STORE', 'The cache store failed: %s', 500)

// --- ScgiClient ---

/** The client is closed, or was destroyed while the request ran. */
export const FST_SCGI_CLIENT_CLOSED = outage('FST_SCGI_CLIENT_CLOSED', 'The SCGI client is closed', 503)

// --- the SCGI server ---

/** The gateway did not send its request in time. Arguments: option, limit in milliseconds. */
export const FST_SCGI_REQUEST_TIMEOUT = createError<[string, number]>(
  'FST_SCGI_REQUEST_TIMEOUT', 'The request was not complete in time (%s, %d ms)', 408)

/** A request body or a reply could not be buffered: the disk is full, or the temporary directory cannot be written. Argument: reason. */
export const FST_SCGI_TEMP_FILE = createError<[string]>(
  'FST_SCGI_TEMP_FILE', 'Buffering in a temporary file failed: %s', 500)

// --- files: sendfile, internal locations, store ---

/** The file that is to be sent is not there, or is no regular file. The path is in the `cause`: the message goes to the client. */
export const FST_SCGI_FILE_NOT_FOUND = createError('FST_SCGI_FILE_NOT_FOUND', 'Not found', 404)
/** The file that is to be sent lies outside its root, or cannot be read by this user. The path is in the `cause`: the message goes to the client. */
export const FST_SCGI_FILE_FORBIDDEN = createError('FST_SCGI_FILE_FORBIDDEN', 'Forbidden', 403)
/** This machine failed to open or read a file, or the file became shorter while it was sent. Argument: reason. */
export const FST_SCGI_FILE = createError<[string]>('FST_SCGI_FILE', 'The file cannot be sent: %s', 500)
/** A reply could not be stored; for the log only, the client gets it all the same. Arguments: file, reason. */
export const FST_SCGI_STORE = createError<[string, string]>('FST_SCGI_STORE', "The reply could not be stored as '%s': %s", 500)

// --- the cache ---

/** An error that the cache remembers, answered again without asking the application. `statusCode` is set to that of the error. Argument: status. */
export const FST_SCGI_CACHED_ERROR = outage<[number]>(
  'FST_SCGI_CACHED_ERROR', 'An earlier request for the same ended with status %d, which the cache remembers (cache.valid)', 502)
/** A client wants what the cache has and nothing else (`Cache-Control: only-if-cached`, where `cache.clientControl` is `'obey'`), and there is nothing. */
export const FST_SCGI_ONLY_IF_CACHED = outage(
  'FST_SCGI_ONLY_IF_CACHED', 'The client wants what the cache has (Cache-Control: only-if-cached), and there is nothing that it may have', 504)
/** A purge could not be done. Arguments: name of the cache, reason. */
export const FST_SCGI_CACHE_PURGE = createError<[string, string]>(
  'FST_SCGI_CACHE_PURGE', "Purging the cache '%s' failed: %s", 500)

/** The entries of a cache could not be listed. Arguments: name of the cache, reason. */
export const FST_SCGI_CACHE_LIST = createError<[string, string]>(
  'FST_SCGI_CACHE_LIST', "The entries of the cache '%s' cannot be listed: %s", 500)

// --- the operator's page and API ---

/** Argument: why. */
export const FST_SCGI_ADMIN_FORBIDDEN = createError<[string]>('FST_SCGI_ADMIN_FORBIDDEN', 'Forbidden: %s', 403)
/** The Host of a request is none that the page answers to. Argument: Host. */
export const FST_SCGI_ADMIN_HOST = createError<[string]>(
  'FST_SCGI_ADMIN_HOST', "The page does not answer to the name '%s': call it by address, or list the name in the option 'hosts'", 403)
/** An edit without a token, or with one that is not valid any more. */
export const FST_SCGI_ADMIN_TOKEN = createError(
  'FST_SCGI_ADMIN_TOKEN', "An edit needs a token in the header x-gateway-token, and this one has none that is valid: get one from 'api/token'", 403)
/** Argument: what there is none of. */
export const FST_SCGI_ADMIN_NOT_FOUND = createError<[string]>('FST_SCGI_ADMIN_NOT_FOUND', 'There is no %s', 404)
/** Argument: what is wrong. */
export const FST_SCGI_ADMIN_INPUT = createError<[string]>('FST_SCGI_ADMIN_INPUT', 'The request cannot be understood: %s', 400)
/** An edit whose If-Match is that of an earlier state. Argument: current ETag. */
export const FST_SCGI_ADMIN_CHANGED = createError<[string]>(
  'FST_SCGI_ADMIN_CHANGED', 'Somebody has edited it meanwhile (its ETag is %s now): look at it again', 412)
/** An edit without If-Match. */
export const FST_SCGI_ADMIN_MATCH = createError(
  'FST_SCGI_ADMIN_MATCH', "The edit needs the ETag of what it is about in If-Match, or '*' for whatever is there", 428)
/** Arguments: file, reason. */
export const FST_SCGI_ADMIN_STATE = createError<[string, string]>(
  'FST_SCGI_ADMIN_STATE', "The edit is in force, but it could not be kept in '%s': %s", 500)

/** Says what has led to an error of an outage, which has no stack trace either. */
export function causedBy<E extends Error> (error: E, cause: unknown): E {
  error.cause = cause
  if (cause instanceof Error) cause.stack = `${cause.name}: ${cause.message}`
  return error
}

/**
 * Fills in what every error of an exchange tells beside its message.
 */
export function upstreamError (
  error: Error & { code: string, statusCode?: number }, address: string, kind: FailureKind, phase: ExchangePhase, cause?: unknown
): UpstreamError {
  return Object.assign(cause === undefined ? error : causedBy(error, cause), { address, kind, phase, statusCode: error.statusCode ?? 502 })
}
