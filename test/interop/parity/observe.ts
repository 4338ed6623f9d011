import { NoResponse, RawClient, methodOf } from '../../helpers/raw-client.ts'
import type { Target } from '../../helpers/raw-client.ts'
import { BadResponse } from '../../helpers/http-response.ts'
import type { RawResponse } from '../../helpers/http-response.ts'
import type { Answer, Exchange, RecordedRequest } from '../../helpers/recorder.ts'
import { GATEWAY } from './row.ts'
import type { Peer } from './peer.ts'
import type { Outcome, Row, Values } from './row.ts'

/** Sends a row's request through a gateway and tells what came of it. */
export async function observe (peer: Peer, row: Row, paramNames: string[]): Promise<Outcome> {
  const { recorder } = peer
  recorder.clear()
  recorder.answer = (exchange) => play(row.answer, exchange, exchange.index, peer.files)
  const seen = await sendRequest(peer.target, row.request)
  const { 'x-sendfile': file } = seen.headers
  if (typeof file === 'string') seen.headers['x-sendfile'] = file.replace(peer.files, '{files}')
  return { ...seen, ...received(recorder.requests, paramNames) }
}

/** What the application got. */
export function received (requests: RecordedRequest[], paramNames: string[]): Pick<Outcome, 'attempts' | 'params' | 'sent'> {
  const last = requests.at(-1)
  return {
    attempts: requests.length,
    params: Object.fromEntries(paramNames.map((name) => [name, collapse(last?.all(name) ?? [])])),
    sent: last?.body.toString('latin1') ?? '',
  }
}

/** Gives the answer to the attempt of that number, from 0; `{files}` in it stands for the path of the directory. */
export async function play (given: Answer | Answer[], exchange: Exchange, index: number, files: string): Promise<void> {
  const list = Array.isArray(given) ? given : [given]
  const answer = list[Math.min(index, list.length - 1)]
  if (typeof answer === 'function') return answer(exchange)
  await exchange.body()
  await exchange.end(typeof answer === 'string' ? answer.replaceAll('{files}', files) : answer)
}

/** Sends one request; what a client sees of it. */
export async function sendRequest (target: Target, request: string): Promise<Omit<Outcome, 'attempts' | 'params' | 'sent'>> {
  await using client = await RawClient.connect(target)
  try {
    client.expect(methodOf(request))
    await client.write(request)
    const response = await client.response()
    await client.closed
    if (client.rest.length > 0) throw new Error(`bytes after the response: ${JSON.stringify(client.rest.toString('latin1', 0, 200))}`)
    const made = madeByGateway(response)
    return {
      status: response.statusCode,
      reason: made ? '' : response.reason,
      headers: headers(response, made),
      body: made ? GATEWAY : withoutBoundary(response),
      cut: response.cut,
      informational: response.informational.map(({ statusCode }) => statusCode),
    }
  } catch (error) {
    if (!(error instanceof NoResponse || error instanceof BadResponse)) throw error
    return { status: 0, reason: '', headers: {}, body: '', cut: true, informational: [] }
  }
}

// The pages that the three make themselves, whatever their texts.
const OWN_PAGES = [
  /^<html>\r\n<head><title>\d{3} /, // nginx
  /^<!DOCTYPE HTML PUBLIC "-\/\/(?:IETF|W3C)\/\/DTD HTML [^>]*>\s*<html><head>\s*<title>\d{3} /, // Apache
  /^\{(?=.*"statusCode":\d{3})(?=.*"error":")(?=.*"message":")/, // Fastify
]

function madeByGateway (response: RawResponse): boolean {
  const text = response.body.toString('latin1')
  if (response.statusCode === 416 && text === '' && header(response, 'content-range') !== undefined) return true
  return response.statusCode >= 400 && OWN_PAGES.some((page) => page.test(text))
}

function header (response: RawResponse, name: string): string | undefined {
  return response.headers.find(([given]) => given.toLowerCase() === name)?.[1]
}

const BOUNDARY = /^multipart\/byteranges; boundary=(\S+)$/

/** Boundaries are made up for each reply. */
function withoutBoundary (response: RawResponse): string {
  const text = response.body.toString('latin1')
  const boundary = BOUNDARY.exec(header(response, 'content-type') ?? '')?.[1]
  return boundary === undefined ? text : text.replaceAll(boundary, 'BOUNDARY')
}

/** What a page of the gateway's own may have of the application's headers, or has to tell the client beside its status. */
const OF_OWN_PAGES = new Set(['content-range', 'set-cookie', 'www-authenticate', 'x-cache-status'])

/**
 * The headers that a client sees as the application's. How the gateway frames its connection with the client is its own
 * business: Connection, Keep-Alive, Transfer-Encoding, and Content-Length where the body tells the length. So are Date and
 * Server, unless the application's own values (`app...`, a date of 1994) came through.
 */
function headers (response: RawResponse, made: boolean): Values {
  const lists: Record<string, string[]> = {}
  for (const [name, value] of response.headers) {
    const lower = name.toLowerCase()
    if (lower === 'connection' && /^(?:close|keep-alive)$/i.test(value)) continue
    if (lower === 'keep-alive' && /^timeout=/.test(value)) continue
    if (lower === 'transfer-encoding' && response.framing === 'chunked') continue
    if (lower === 'content-length' && response.framing !== 'none') continue
    if (lower === 'date' && !value.includes('1994')) continue
    if (lower === 'server' && !value.startsWith('app')) continue
    if (made && !OF_OWN_PAGES.has(lower)) continue
    const list = lists[lower] ??= []
    // A busy machine takes seconds between two steps.
    const seen = lower === 'age' ? value.replace(/^\d$/, '0') : value
    list.push(seen.replace(BOUNDARY, 'multipart/byteranges; boundary=BOUNDARY'))
  }
  return Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, collapse(list)]))
}

function collapse (list: string[]): string | string[] | undefined {
  return list.length > 1 ? list : list[0]
}
