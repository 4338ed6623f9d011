import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { flag } from '../options/checks.ts'
import { show } from '../options/units.ts'
import type { TlsSettings } from '../connections/protocol.ts'
import type { ServerTlsOptions } from '../../types/upstream.ts'

const NAMES: ReadonlySet<string> = new Set<keyof ServerTlsOptions>(['ca', 'cert', 'key', 'rejectUnauthorized', 'servername'])

/**
 * Reads how the server of an `https://` address is known; `undefined` for any other.
 * @param tls the protocol of the server goes over TLS
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED for a server without TLS
 */
export function readTls (option: string, value: unknown, tls: boolean): TlsSettings | undefined {
  if (value === undefined && !tls) return undefined
  if (!tls) throw new FST_SCGI_OPT_UNSUPPORTED(option, 'it is for servers with an address that begins with https://')
  if (value !== undefined && (typeof value !== 'object' || value === null || Array.isArray(value))) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), `an object with ${[...NAMES].join(', ')}`)
  }
  const given: Record<string, unknown> = { ...value }
  for (const key of Object.keys(given)) {
    if (!NAMES.has(key)) throw new FST_SCGI_OPT_UNKNOWN(`${option}.${key}`, `: it has ${[...NAMES].join(', ')}`)
  }
  const { ca, cert, key, servername } = given
  const rejectUnauthorized = flag(`${option}.rejectUnauthorized`, given['rejectUnauthorized'], true)
  if (servername !== undefined && (typeof servername !== 'string' || servername === '' || /[\s\0]/.test(servername))) {
    throw new FST_SCGI_OPT_INVALID(`${option}.servername`, show(servername), 'a host name')
  }
  const material: SecureContextOptions = {
    ...(ca === undefined ? undefined : { ca: pem(`${option}.ca`, ca, true) }),
    ...(cert === undefined ? undefined : { cert: pem(`${option}.cert`, cert, false) }),
    ...(key === undefined ? undefined : { key: pem(`${option}.key`, key, false) }),
  }
  if ((cert === undefined) !== (key === undefined)) {
    throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.${cert === undefined ? 'key' : 'cert'}`, 'cert and key go together')
  }
  try {
    return { context: createSecureContext(material), rejectUnauthorized, servername }
  } catch (cause) {
    // The value is not shown: it may be a private key.
    const error = new FST_SCGI_OPT_INVALID(option, `no use (${cause instanceof Error ? cause.message : String(cause)})`, 'certificates and a key in PEM')
    error.cause = cause
    throw error
  }
}

function pem (option: string, value: unknown, list: boolean): string | Buffer | (string | Buffer)[] {
  if (list && Array.isArray(value) && value.length > 0) return value.map((one, index) => authority(`${option}[${index}]`, one))
  return list ? authority(option, value) : single(option, value)
}

/** Node.js takes anything for a certificate of an authority, and then knows none. */
function authority (option: string, value: unknown): string | Buffer {
  const text = single(option, value)
  try {
    new X509Certificate(text).toString()
    return text
  } catch (cause) {
    const error = new FST_SCGI_OPT_INVALID(option, 'no certificate', 'text or a Buffer in PEM')
    error.cause = cause
    throw error
  }
}

function single (option: string, value: unknown): string | Buffer {
  if ((typeof value !== 'string' && !Buffer.isBuffer(value)) || value.length === 0) {
    throw new FST_SCGI_OPT_INVALID(option, typeof value === 'string' ? "''" : `a ${typeof value}`, 'text or a Buffer in PEM')
  }
  return value
}
