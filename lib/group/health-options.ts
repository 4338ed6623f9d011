import { Resolver } from 'node:dns'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { PROTOCOLS, protocolOf } from '../connections/protocols.ts'
import { isToken } from '../http/token.ts'
import { parseTime, show } from '../options/units.ts'
import { flag, integer } from '../options/checks.ts'
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

const HEALTH_OPTIONS = [
  'type', 'port', 'method', 'path', 'params', 'headers', 'expect', 'interval', 'jitter', 'timeout', 'passes', 'fails', 'mandatory', 'persistent',
]
const EXPECT_OPTIONS = ['status', 'headers', 'body']
const OUTLIER_OPTIONS = ['window', 'minRequests', 'failureShare', 'maxEjected', 'baseTime', 'maxTime']
const RESOLVER_OPTIONS = ['servers', 'timeout', 'ttl', 'family']
/** What only checks that send a request have. */
const REQUEST_OPTIONS = ['method', 'path', 'expect']
/** One of these goes with it; which one, the protocol says. */
const FIELD_OPTIONS = ['params', 'headers']
const LEAST_INTERVAL = 100
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
  const given = record(option, value, OUTLIER_OPTIONS, 'the outlier detection')
  const baseTime = time(`${option}.baseTime`, given['baseTime'], 10_000, 1)
  return {
    window: time(`${option}.window`, given['window'], 30_000, 100),
    minRequests: integer(`${option}.minRequests`, given['minRequests'], 1, 20),
    failureShare: share(`${option}.failureShare`, given['failureShare']),
    maxEjected: share(`${option}.maxEjected`, given['maxEjected']),
    baseTime,
    maxTime: time(`${option}.maxTime`, given['maxTime'], Math.max(300_000, baseTime), baseTime),
  }
}

export interface ResolverSettings extends ResolverOptions {
  /** Milliseconds. */
  readonly ttl: number | undefined
  /** Kinds of addresses that are asked for; `undefined` for both. */
  readonly families: readonly Family[] | undefined
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function readResolver (option: string, value: unknown): ResolverSettings {
  const given = record(option, value ?? {}, RESOLVER_OPTIONS, 'a resolver')
  const { servers, ttl } = given
  const timeout = time(`${option}.timeout`, given['timeout'], 5000, 1)
  const settings = {
    servers: servers === undefined ? undefined : addresses(`${option}.servers`, servers),
    timeout,
    ttl: ttl === undefined ? undefined : time(`${option}.ttl`, ttl, 0, 1000),
    families: readFamily(`${option}.family`, given['family']),
  }
  try {
    new Resolver().setServers(settings.servers ?? ['127.0.0.1'])
  } catch {
    throw new FST_SCGI_OPT_INVALID(`${option}.servers`, show(servers), "IP addresses of DNS servers, as '10.0.0.53' or '[::1]:5353'")
  }
  return settings
}

function readFamily (option: string, value: unknown): readonly Family[] | undefined {
  if (value === undefined || value === 'both') return undefined
  if (value !== 4 && value !== 6) throw new FST_SCGI_OPT_INVALID(option, show(value), "4, 6 or 'both'")
  return [value]
}

function readCheck (option: string, value: unknown): HealthCheck {
  const given = record(option, value, HEALTH_OPTIONS, 'a check')
  const { type = 'connect' } = given
  const probe = [...PROTOCOLS.values()].find(protocol => protocol.probe.type === type)?.probe
  if (typeof type !== 'string' || (type !== 'connect' && probe === undefined)) {
    const types = [...new Set([...PROTOCOLS.values()].map(protocol => `'${protocol.probe.type}'`))]
    const last = types.pop() ?? ''
    throw new FST_SCGI_OPT_INVALID(`${option}.type`, show(type), `${["'connect'", ...types].join(', ')} or ${last}`)
  }
  for (const name of [...REQUEST_OPTIONS, ...FIELD_OPTIONS]) {
    if (given[name] === undefined || (probe !== undefined && (REQUEST_OPTIONS.includes(name) || name === probe.option))) continue
    throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.${name}`, `a check of type '${type}' has none`)
  }
  const interval = time(`${option}.interval`, given['interval'], 5000, LEAST_INTERVAL)
  const timeout = time(`${option}.timeout`, given['timeout'], interval, 1)
  if (timeout > interval) throw new FST_SCGI_OPT_INVALID(`${option}.timeout`, show(given['timeout']), 'a time of at most that of interval')
  const mandatory = flag(`${option}.mandatory`, given['mandatory'], false)
  const persistent = flag(`${option}.persistent`, given['persistent'], false)
  if (persistent && !mandatory) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.persistent`, "it needs 'mandatory: true'")
  return {
    type,
    probe: probe === undefined ? connectProbe(timeout) : readProbe(option, probe, given, timeout),
    port: readPort(`${option}.port`, given['port']),
    mandatory,
    persistent,
    interval,
    jitter: time(`${option}.jitter`, given['jitter'], 0, 0),
    passes: integer(`${option}.passes`, given['passes'], 1, 1),
    fails: integer(`${option}.fails`, given['fails'], 1, 1),
  }
}

function readProbe (option: string, probe: ProtocolProbe, given: Given, timeout: number): Probe<Endpoint> {
  const { method = 'GET', path = '/' } = given
  if (typeof method !== 'string' || !isToken(method)) throw new FST_SCGI_OPT_INVALID(`${option}.method`, show(method), 'a method')
  const fields = probe.option === 'params' ? readParams(`${option}.params`, given['params']) : readHeaders(`${option}.headers`, given['headers'])
  const settings = { expect: readExpect(`${option}.expect`, given['expect']), timeout }
  return requestProbe(probe, { method, path: readPath(`${option}.path`, path), fields }, settings)
}

function readPort (option: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 65_535) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), 'a port, 1 to 65535')
  }
  return value
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
  const { status = ['2xx', '3xx'], body, headers } = record(option, value ?? {}, EXPECT_OPTIONS, 'an expectation')
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
  if (!isGiven(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), 'an object of names and what their values are')
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
  if (!isGiven(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), 'an object of names and values')
  return Object.entries(value).map(([name, text]) => {
    if (typeof text !== 'string') throw new FST_SCGI_OPT_INVALID(`${option}.${name}`, show(text), 'a string')
    return [name, text]
  })
}

type Given = Readonly<Record<string, unknown>>

function isGiven (value: unknown): value is Given {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function record (option: string, value: unknown, names: readonly string[], what: string): Given {
  if (!isGiven(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), 'an object of options')
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw new FST_SCGI_OPT_UNKNOWN(`${option}.${name}`, `: ${what} has ${names.join(', ')}`)
  }
  return value
}

function addresses (option: string, value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0 || !value.every(one => typeof one === 'string')) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), 'a list of IP addresses')
  }
  return value
}

function time (option: string, value: unknown, otherwise: number, least: number): number {
  if (value === undefined) return otherwise
  const milliseconds = parseTime(option, value)
  if (milliseconds < least) throw new FST_SCGI_OPT_INVALID(option, show(value), `a time of at least ${least} ms`)
  return milliseconds
}

function share (option: string, value: unknown): number {
  if (value === undefined) return 0.5
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) throw new FST_SCGI_OPT_INVALID(option, show(value), 'a share of more than 0 and at most 1')
  return value
}
