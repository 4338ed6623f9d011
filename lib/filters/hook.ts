import { Readable } from 'node:stream'
import { FST_SCGI_PRECONDITION_FAILED } from '../errors.ts'
import { applyCharset } from './charset.ts'
import { hideInside } from '../http/client-error.ts'
import { evaluateByRfc, evaluateConditions, isConditional, NOT_MODIFIED_REMOVES } from '../http/conditions.ts'
import { describeAgain, readBefore, settle } from '../http/described.ts'
import { openFile, openUrlPath, type FileCallback } from './file.ts'
import { redirectStateOf, type RedirectState } from '../http/redirect-state.ts'
import { takePlan, type FilterPlan, type SeekableBody } from '../reply/plan.ts'
import { breakOff, clearHead, flushHead, isGone, isHttp2, onReplyClose, removeHeader } from '../http/raw-reply.ts'
import { leaveHead } from '../http/route-hooks.ts'
import { planRanges, type HeaderChanges, type PartialPlan } from '../http/ranges.ts'
import { rangesOfBuffer, rangesOfSource, rangesOfStream } from './range-body.ts'
import { limitRate } from '../reply/rate.ts'
import { follow } from '../redirect/redirect.ts'
import { statusOf, toError } from '../runtime/caught.ts'
import type { Locations } from '../redirect/locations.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

type Done = (error?: Error | null, payload?: unknown) => void

/** What the application said of its own body is not true of a file. */
const OF_THE_BODY = ['etag', 'content-length', 'content-encoding', 'last-modified', 'content-range', 'content-digest', 'content-md5']

/**
 * The one onSend hook: carries out what was planned for a reply, in this order: internal redirect, file, charset, conditions,
 * ranges, rate. Everything else passes through at once.
 */
export function filterReply (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done, locations: Locations): void {
  const plan = takePlan(reply)
  const redirected = redirectStateOf(request.raw)
  if (redirected?.status !== undefined) tellStatus(redirected, redirected.status, reply)
  payload = hideInside(request, reply, payload)
  if (plan === undefined && (redirected === undefined || !redirected.lasts)) {
    done(null, payload)
  } else {
    const error = readBefore(reply, payload)
    if (error !== undefined) {
      done(error)
      return
    }
    // A hook may have put another body instead of the one that the plan was made for.
    if (plan?.seekable === undefined && plan?.file === undefined) settle(reply, payload)
    const finished: Done = (error, made) => {
      if (error === null) describeAgain(reply, made === undefined ? payload : made)
      done(error, made)
    }
    carryOut(plan ?? {}, request, reply, payload, finished, locations)
  }
}

/** The hooks that follow see the status that the client gets, whatever the page itself was answered with. */
function tellStatus ({ answered }: RedirectState, status: number, reply: FastifyReply): void {
  if (reply.statusCode === status || (reply.statusCode >= 400 && !answered)) return
  reply.code(status)
  resetPhrase(reply)
}

/** Does what a plan says. `done` is not called where another route answers. */
export function carryOut (
  plan: FilterPlan, request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done, locations: Locations
): void {
  const redirected = redirectStateOf(request.raw)
  if (request.method === 'HEAD') {
    const given = done
    done = (error, made) => {
      if (made === null) leaveHead(request, reply)
      given(error, made)
    }
  }
  if (plan.redirect !== undefined) {
    discard(payload)
    try {
      follow(plan.redirect, plan, request, reply, locations)
    } catch (error) {
      fallBack(toError(error), plan, request, reply, done, locations)
    }
  } else if (plan.file !== undefined) {
    discard(payload)
    sendFile(plan, redirected, request, reply, done, error => fallBack(error, plan, request, reply, done, locations))
  } else {
    finish(plan, redirected, request, reply, plan.seekable ?? payload, done)
  }
}

/** A redirect or a file failed: the error page of that status answers, or else the error. */
function fallBack (error: Error, plan: FilterPlan, request: FastifyRequest, reply: FastifyReply, done: Done, locations: Locations): void {
  let page
  try {
    page = plan.pages?.find(statusOf(error), request)
  } catch (cause) {
    request.log.warn({ err: error }, error.message)
    done(toError(cause))
    return
  }
  if (page === undefined) {
    done(error)
    return
  }
  request.log.warn({ err: error }, error.message)
  if (page.kind === 'external') {
    // Told to the client of whatever answers it: the application closes, or the rest of a body will not be read.
    const connection = reply.getHeader('connection')
    clearHead(reply)
    if (connection !== undefined) reply.header('connection', connection)
    reply.code(page.status ?? 302).header('location', page.to)
    done(null, null)
    return
  }
  try {
    const redirect = { target: page.to, opensInternal: true, headers: {}, status: page.status, errorPage: true, lastPage: page.last }
    follow(redirect, plan.body === undefined ? {} : { body: plan.body }, request, reply, locations)
  } catch {
    done(error)
  }
}

function sendFile (
  plan: FilterPlan, redirected: RedirectState | undefined, request: FastifyRequest, reply: FastifyReply, done: Done,
  failed: (error: Error) => void
): void {
  const { file } = plan
  const [root] = file?.roots ?? []
  const opened: FileCallback = (error, found) => {
    if (found === undefined) {
      request.log.warn({ err: error }, error.message)
      for (const name of OF_THE_BODY) removeHeader(reply, name)
      failed(error)
      return
    }
    const { socket } = request.raw
    if (isGone(reply.raw) || socket.destroyed) {
      found.close()
      done(null, null)
      return
    }
    // Whatever happens to the payload, the descriptor does not outlive the reply.
    onReplyClose(reply.raw, socket, () => found.close())
    for (const name of OF_THE_BODY) removeHeader(reply, name)
    reply.header('etag', found.etag)
    if (!reply.hasHeader('content-type')) reply.header('content-type', found.type)
    // As the page of an error it is not what the client asked for: nothing is said of when that was changed, and no range is offered.
    const isPage = redirected?.status !== undefined && redirected.status !== 200
    if (!isPage) reply.header('last-modified', found.lastModified)
    finish(isPage ? { ...plan, conditions: false, ranges: false } : plan, redirected, request, reply, found, done)
  }
  if (file === undefined || root === undefined) done()
  else if (file.urlPath === true) openUrlPath(root, file.value, opened)
  else openFile(file.roots, file.value, opened)
}

function finish (
  plan: FilterPlan, redirected: RedirectState | undefined, request: FastifyRequest, reply: FastifyReply, body: unknown, done: Done
): void {
  try {
    redirected?.giveType(reply)
    const charset = plan.charset ?? redirected?.charset
    if (charset !== undefined) setCharset(request, reply, charset)
    const conditioned = (plan.conditions ?? false) !== false && reply.statusCode === 200 && isConditional(request)
    let payload = conditioned ? answerConditions(plan.conditions === 'rfc9110', request, reply, body, done) : body
    if (payload === ANSWERED) return
    if (plan.ranges === true) payload = ranged(plan, request, reply, payload)
    else if (isSeekable(payload)) payload = wholeBody(request, reply, payload)
    // Over HTTP/2 Fastify ends what broke off as if it were complete.
    if (isHttp2(reply.raw) && payload !== body && isStream(payload)) payload.once('error', () => breakOff(reply.raw))
    const rate = plan.rate ?? redirected?.rate
    const after = plan.rateAfter ?? redirected?.rateAfter ?? 0
    done(null, rate !== undefined && rate > 0 ? throttled(request, reply, payload, rate, after) : payload)
  } catch (error) {
    discard(body)
    done(toError(error))
  }
}

/** The reply was a 304 or a 412, and `done` has been told. */
const ANSWERED = Symbol('answered')

function answerConditions (byRfc: boolean, request: FastifyRequest, reply: FastifyReply, body: unknown, done: Done): unknown {
  const entity = { status: reply.statusCode, ...validators(reply) }
  const date = reply.getHeader('date')
  const result = byRfc ? evaluateByRfc(request, entity, typeof date === 'string' ? date : undefined) : evaluateConditions(request, entity)
  if (result === 'proceed') return body
  discard(body)
  resetPhrase(reply)
  if (result === 412) {
    done(new FST_SCGI_PRECONDITION_FAILED())
  } else {
    for (const name of NOT_MODIFIED_REMOVES) removeHeader(reply, name)
    reply.code(304)
    done(null, null)
  }
  return ANSWERED
}

function validators (reply: FastifyReply): { etag: string | undefined, lastModified: string | undefined } {
  return { etag: text(reply.getHeader('etag')), lastModified: text(reply.getHeader('last-modified')) }
}

/** The payload that answers the request's Range, or all of it. */
function ranged ({ conditions, file }: FilterPlan, request: FastifyRequest, reply: FastifyReply, body: unknown): unknown {
  const byRfc = conditions === 'rfc9110'
  const plan = planRanges(request, {
    status: reply.statusCode,
    size: sizeOf(reply, body),
    ...validators(reply),
    ...(byRfc && { date: text(reply.getHeader('date')) }),
    contentType: text(reply.getHeader('content-type')),
    allowed: true,
    sequential: isStream(body) || (isSeekable(body) && body.sequential === true),
    getOnly: byRfc && file === undefined,
  })
  change(reply, plan)
  if (plan.kind === 'whole') return isSeekable(body) ? wholeBody(request, reply, body) : body
  reply.code(plan.status)
  resetPhrase(reply)
  if (plan.kind === 'unsatisfiable' || request.method === 'HEAD') {
    discard(body)
    return null
  }
  if (isSeekable(body)) return rangesOfSeekable(plan, body)
  if (Buffer.isBuffer(body)) return rangesOfBuffer(plan, body)
  if (typeof body === 'string') return rangesOfBuffer(plan, Buffer.from(body))
  return isStream(body) ? rangesOfStream(plan, body) : null
}

function rangesOfSeekable (plan: PartialPlan, body: SeekableBody): unknown {
  const whole = body.sequential === true && plan.kind === 'multipart' ? body.open() : undefined
  return isStream(whole) ? rangesOfStream(plan, whole) : rangesOfSource(plan, body)
}

function wholeBody (request: FastifyRequest, reply: FastifyReply, body: SeekableBody): unknown {
  const bodiless = reply.statusCode === 204
  if (body.size >= 0 && !bodiless) reply.header('content-length', body.size)
  if (request.method === 'HEAD' || body.size === 0 || bodiless) {
    body.close()
    return null
  }
  return body.open()
}

function throttled (request: FastifyRequest, reply: FastifyReply, payload: unknown, rate: number, after: number): unknown {
  const spent = (): number => headLength(reply)
  if (isStream(payload)) return headFirst(request, reply, limitRate(payload, { rate, after, spent }))
  if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return payload
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
  if (bytes.length === 0) return payload
  reply.header('content-length', bytes.length)
  return headFirst(request, reply, limitRate(bytes, { rate, after, spent }))
}

/** The head of a reply goes at once, whenever the rate lets its body begin. */
function headFirst (request: FastifyRequest, reply: FastifyReply, payload: unknown): unknown {
  const { raw } = reply
  if (!isStream(payload)) return payload
  raw.once('pipe', () => {
    try {
      flushHead(raw)
    } catch (error) {
      request.log.error({ err: error }, 'the reply could not be sent')
      breakOff(raw)
    }
  })
  return payload
}

/** Bytes of a head that has gone. HTTP/2 compresses it: there it is not counted. */
function headLength ({ raw }: FastifyReply): number {
  const head: unknown = Reflect.get(raw, '_header')
  return typeof head === 'string' ? head.length : 0
}

function setCharset (request: FastifyRequest, reply: FastifyReply, charset: string): void {
  const result = applyCharset(reply.statusCode, text(reply.getHeader('content-type')), charset)
  if (result.kind === 'set') reply.header('content-type', result.contentType)
  else if (result.kind === 'unknown') request.log.debug({ charset }, 'X-Accel-Charset names no charset that is known here')
}

function change (reply: FastifyReply, { set, remove }: HeaderChanges): void {
  for (const name of remove) removeHeader(reply, name)
  for (const name in set) reply.header(name, set[name])
}

/** The application's reason phrase is none for another status. */
function resetPhrase ({ raw }: FastifyReply): void {
  if (!('stream' in raw)) raw.statusMessage = ''
}

function sizeOf (reply: FastifyReply, body: unknown): number {
  if (isSeekable(body)) return body.size
  if (Buffer.isBuffer(body)) return body.length
  if (typeof body === 'string') return Buffer.byteLength(body)
  const length = text(reply.getHeader('content-length'))
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : -1
}

function text (value: number | string | string[] | undefined): string | undefined {
  return value === undefined ? undefined : Array.isArray(value) ? value[0] : String(value)
}

function isStream (value: unknown): value is Readable {
  return value instanceof Readable || (typeof value === 'object' && value !== null && 'pipe' in value && typeof value.pipe === 'function')
}

function isSeekable (value: unknown): value is SeekableBody {
  return typeof value === 'object' && value !== null && 'size' in value && 'open' in value && 'close' in value && !isStream(value)
}

/** Gives up a payload that is not sent. */
function discard (payload: unknown): void {
  if (isStream(payload)) payload.once('error', () => {}).destroy()
  else if (isSeekable(payload)) payload.close()
}
