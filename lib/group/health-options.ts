import { Resolver } from 'node:dns'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { PROTOCOLS, protocolOf } from '../connections/protocols.ts'
import { isToken } from '../http/token.ts'
import { isRecord } from '../options/checks.ts'
import { readRows } from '../options/read.ts'
import { RESOLVER } from '../options/table/connections.ts'
import { EXPECT, HEALTH, OUTLIER } from '../options/table/health.ts'
import { show } from '../options/units.ts'
import type { Rows, Values } from '../options/row.ts'
import type { OutlierSettings } from '../balancer/outlier.ts'
import type { ResolverOptions } from './resolve/resolver.ts'
import type { Family } from './resolve/watch.ts'
import type { ParsedAddress } from '../connections/address.ts'
import type { Endpoint, Protocol, ProtocolProbe } from '../connections/protocol.ts'
import type { HealthSettings, Probe } from './health.ts'
import { connectProbe, requestProbe, type Expectation, type ExpectedHeader } from './probes.ts'

/** Checks as they were configured. */
export interface HealthCheck extends HealthSettings {
  /** `'connect'`, or that of a protocol's requests. */
  readonly type: string
  readonly probe: Probe<Endpoint>
  /** `undefined`: that of the server. */
  readonly port: number | undefined
  /** Servers take no requests before they are checked. */
  readonly mandatory: boolean
  /** Those that were healthy before need no first check. */
  readonly persistent: boolean
}

/** What only checks that send a request have. */
const REQUEST_OPTIONS = ['method', 'path', 'expect'] as const
/** One of these goes with it; which one, the protocol says. */
const FIELD_OPTIONS = ['params', 'headers'] as const
/** Unless said otherwise. */
const LONGEST_EJECTION = 300_000
const OWN_PARAMS = ['CONTENT_LENGTH', 'SCGI', 'SCGI_KEEPALIVE']

/**
 * Reads the option `health`.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readHealth (option: string, value: unknown): HealthCheck[] {
  if (value === undefined) return []
  const checks = Array.isArray(value)
    ? value.map((one: unknown, index) => readCheck(`${option}[${index}]`, one))
    : [readCheck(option, value)]
  for (const [index, { type }] of checks.entries()) {
    if (checks.findIndex(other => other.type === type) !== index) {
      throw new FST_SCGI_OPT_INVALID(option, show(value), `checks of different types ('${type}' is there twice)`)
    }
  }
  return checks
}

/** The check for servers that speak this protocol. */
export function checkFor (checks: readonly HealthCheck[], { probe }: Protocol): HealthCheck | undefined {
  return checks.find(({ type }) => type === probe.type) ?? checks.find(({ type }) => type === 'connect')
}

/**
 * Sees to it that there is a check for a server, if there are checks.
 * @throws FST_SCGI_OPT_UNSUPPORTED
 */
export function requireCheck (
  checks: readonly HealthCheck[], address: Pick<ParsedAddress, 'protocol' | 'socketPath'>, option: string, server: string
): void {
  const [other] = checks
  if (other === undefined) return
  const protocol = protocolOf(address)
  const check = checkFor(checks, protocol)
  if (check?.port !== undefined && address.socketPath !== undefined) {
    throw new FST_SCGI_OPT_UNSUPPORTED(option, `${server} is a unix socket, which the port ${check.port} of the check is no part of`)
  }
  if (check !== undefined) return
  const speaks = protocol.probe.type
  throw new FST_SCGI_OPT_UNSUPPORTED(option, `${server} speaks ${speaks}, which a check of type '${other.type}' does not: add one of type '${speaks}' or 'connect'`)
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function readOutlier (option: string, value: unknown): OutlierSettings | undefined {
  if (value === undefined) return undefined
  const { maxTime, ...given } = record(option, value, OUTLIER, 'the outlier detection')
  if (maxTime !== undefined && maxTime < given.baseTime) {
    throw new FST_SCGI_OPT_INVALID(`${option}.maxTime`, show(maxTime), `a time of at least ${given.baseTime} ms`)
  }
  return { ...given, maxTime: maxTime ?? Math.max(LONGEST_EJECTION, given.baseTime) }
}

export interface ResolverSettings extends ResolverOptions {
  /** Milliseconds. */
  readonly ttl: number | undefined
  /** Kinds of addresses that are asked for; `undefined` for both. */
  readonly families: readonly Family[] | undefined
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function readResolver (option: string, value: unknown): ResolverSettings {
  const { servers, timeout, ttl, family } = record(option, value ?? {}, RESOLVER, 'a resolver')
  const settings = { servers, timeout, ttl, families: family === 'both' ? undefined : [family] }
  try {
    new Resolver().setServers(settings.servers ?? ['127.0.0.1'])
  } catch {
    throw new FST_SCGI_OPT_INVALID(`${option}.servers`, show(servers), "IP addresses of DNS servers, as '10.0.0.53' or '[::1]:5353'")
  }
  return settings
}

function readCheck (option: string, value: unknown): HealthCheck {
  const given = record(option, value, HEALTH, 'a check')
  const { type, port, interval, timeout = interval, jitter, passes, fails, mandatory, persistent } = given
  const probe = [...PROTOCOLS.values()].find(protocol => protocol.probe.type === type)?.probe
  if (typeof type !== 'string' || (type !== 'connect' && probe === undefined)) {
    const types = [...new Set([...PROTOCOLS.values()].map(protocol => `'${protocol.probe.type}'`))]
    const last = types.pop() ?? ''
    throw new FST_SCGI_OPT_INVALID(`${option}.type`, show(type), `${["'connect'", ...types].join(', ')} or ${last}`)
  }
  const known: readonly string[] = probe === undefined ? [] : [...REQUEST_OPTIONS, probe.option]
  for (const name of [...REQUEST_OPTIONS, ...FIELD_OPTIONS]) {
    if (given[name] === undefined || known.includes(name)) continue
    throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.${name}`, `a check of type '${type}' has none`)
  }
  if (timeout > interval) throw new FST_SCGI_OPT_INVALID(`${option}.timeout`, show(timeout), 'a time of at most that of interval')
  if (persistent && !mandatory) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.persistent`, "it needs 'mandatory: true'")
  return {
    type,
    probe: probe === undefined ? connectProbe(timeout) : readProbe(option, probe, given, timeout),
    port,
    mandatory,
    persistent,
    interval,
    jitter,
    passes,
    fails,
  }
}

function readProbe (option: string, probe: ProtocolProbe, given: Values<typeof HEALTH>, timeout: number): Probe<Endpoint> {
  const { method = 'GET', path = '/' } = given
  if (typeof method !== 'string' || !isToken(method)) throw new FST_SCGI_OPT_INVALID(`${option}.method`, show(method), 'a method')
  const fields = probe.option === 'params' ? readParams(`${option}.params`, given.params) : readHeaders(`${option}.headers`, given.headers)
  const settings = { expect: readExpect(`${option}.expect`, given.expect), timeout }
  return requestProbe(probe, { method, path: readPath(`${option}.path`, path), fields }, settings)
}

function readPath (option: string, path: unknown): string {
  const expected = "a path that begins with '/', percent-encoded"
  if (typeof path !== 'string' || !/^\/[\x21-\x7e]*$/.test(path) || path.includes('#')) throw new FST_SCGI_OPT_INVALID(option, show(path), expected)
  try {
    decodeURIComponent(path.replace(/\?.*/, ''))
  } catch {
    throw new FST_SCGI_OPT_INVALID(option, show(path), expected)
  }
  return path
}

function readExpect (option: string, value: unknown): Expectation {
  const { status, body, headers } = record(option, value ?? {}, EXPECT, 'an expectation')
  if (body !== undefined && typeof body !== 'string' && !(body instanceof RegExp)) {
    throw new FST_SCGI_OPT_INVALID(`${option}.body`, show(body), 'a string or a regular expression')
  }
  const list: unknown[] = Array.isArray(status) ? status : [status]
  if (list.length === 0) throw new FST_SCGI_OPT_INVALID(`${option}.status`, '[]', 'at least one status')
  return {
    statuses: list.map(one => readStatus(`${option}.status`, one)),
    body,
    headers: readExpectedHeaders(`${option}.headers`, headers),
  }
}

function readExpectedHeaders (option: string, value: unknown): ExpectedHeader[] {
  if (value === undefined) return []
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), 'an object of names and what their values are')
  return Object.entries(value).map(([name, expected]) => {
    if (!isToken(name)) throw new FST_SCGI_OPT_INVALID(`${option}[${show(name)}]`, show(expected), 'the name of a header')
    if (typeof expected !== 'boolean' && typeof expected !== 'string' && !(expected instanceof RegExp)) {
      throw new FST_SCGI_OPT_INVALID(`${option}.${name}`, show(expected), 'a string, a regular expression, true (it is there) or false (it is not)')
    }
    return [name.toLowerCase(), expected]
  })
}

function readStatus (option: string, value: unknown): readonly [number, number] {
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : ''
  const match = /^(?:([1-5])xx|([1-5]\d\d)(?:-([1-5]\d\d))?)$/.exec(text)
  const [, hundreds, from, to = from] = match ?? []
  if (hundreds !== undefined) return [Number(hundreds) * 100, Number(hundreds) * 100 + 99]
  if (from === undefined || Number(from) > Number(to)) throw new FST_SCGI_OPT_INVALID(option, show(value), "a status, '2xx' or '200-399', or a list of them")
  return [Number(from), Number(to)]
}

function readParams (option: string, value: unknown): [string, string][] {
  return texts(option, value).map(([name, text]) => {
    if (name === '' || OWN_PARAMS.includes(name)) throw new FST_SCGI_OPT_INVALID(`${option}.${name}`, show(text), 'another name: this one is put in by the check itself')
    if (name.includes('\0') || text.includes('\0')) throw new FST_SCGI_OPT_INVALID(`${option}.${show(name)}`, show(text), 'text without NUL')
    return [binary(name), binary(text)]
  })
}

function readHeaders (option: string, value: unknown): [string, string][] {
  return texts(option, value).map(([name, text]) => {
    if (!isToken(name) || !/^[\t\x20-\x7e\x80-\u{10ffff}]*$/u.test(text)) throw new FST_SCGI_OPT_INVALID(`${option}.${name}`, show(text), 'a header')
    if (/^(?:content-length|transfer-encoding|connection)$/i.test(name)) throw new FST_SCGI_OPT_INVALID(`${option}.${name}`, show(text), 'another header: a check has no body')
    return [name.toLowerCase(), binary(text)]
  })
}

/** UTF-8, one character a byte. */
function binary (text: string): string {
  return Buffer.from(text).toString('latin1')
}

function texts (option: string, value: unknown): [string, string][] {
  if (value === undefined) return []
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), 'an object of names and values')
  return Object.entries(value).map(([name, text]) => {
    if (typeof text !== 'string') throw new FST_SCGI_OPT_INVALID(`${option}.${name}`, show(text), 'a string')
    return [name, text]
  })
}

function record<Options extends Rows> (option: string, value: unknown, rows: Options, what: string): Values<Options> {
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), 'an object of options')
  return readRows(rows, value, option, what)
}
