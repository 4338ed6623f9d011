import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { isRecord } from '../options/checks.ts'
import { readRows } from '../options/read.ts'
import { TLS } from '../options/table/group.ts'
import { show } from '../options/units.ts'
import type { TlsSettings } from '../connections/protocol.ts'

/**
 * Reads how the server of an `https://` address is known; `undefined` for any other.
 * @param tls the protocol of the server goes over TLS
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED for a server without TLS
 */
export function readTls (option: string, value: unknown, tls: boolean): TlsSettings | undefined {
  if (value === undefined && !tls) return undefined
  if (!tls) throw new FST_SCGI_OPT_UNSUPPORTED(option, 'it is for servers with an address that begins with https://')
  const given = value === undefined ? {} : value
  if (!isRecord(given)) throw new FST_SCGI_OPT_INVALID(option, show(given), `an object with ${Object.keys(TLS).join(', ')}`)
  const { ca, cert, key, servername, rejectUnauthorized } = readRows(TLS, given, option, 'it')
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
