import { createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls'
import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { toError } from '../runtime/caught.ts'
import { isRecord } from '../options/checks.ts'
import { show } from '../options/units.ts'
import { checkKeys } from '../options/keys.ts'
import { readText } from './kept-source.ts'
import { nameContexts } from './server-names.ts'
import type { ListenCertificate, ListenTlsOptions } from '../../types/config.ts'

type Pem = string | Buffer

/** With a name that is not known a limit would be missing, without a word. */
const NAMES: Readonly<Record<keyof ListenTlsOptions, true>> = {
  ALPNCallback: true,
  allowHalfOpen: true,
  allowPartialTrustChain: true,
  ca: true,
  cert: true,
  ciphers: true,
  clientCertEngine: true,
  crl: true,
  dhparam: true,
  ecdhCurve: true,
  enableTrace: true,
  handshakeTimeout: true,
  highWaterMark: true,
  honorCipherOrder: true,
  keepAlive: true,
  keepAliveInitialDelay: true,
  key: true,
  maxVersion: true,
  minVersion: true,
  noDelay: true,
  passphrase: true,
  pauseOnConnect: true,
  pfx: true,
  privateKeyEngine: true,
  privateKeyIdentifier: true,
  pskCallback: true,
  pskIdentityHint: true,
  rejectUnauthorized: true,
  requestCert: true,
  secureContext: true,
  secureOptions: true,
  secureProtocol: true,
  sessionIdContext: true,
  sessionTimeout: true,
  sigalgs: true,
  sni: true,
  ticketKeys: true,
}

/** What each name has of its own. */
const CERTIFICATE: readonly (keyof ListenCertificate)[] = ['cert', 'key', 'passphrase']

/** Options of `https.createServer`, everything read from the disk. */
export type TlsSettings = TlsOptions & SecureContextOptions

/**
 * Reads the option `tls`, and the files that it names: what cannot be used is found here, and not by the first client.
 * @throws FST_SCGI_OPT_INVALID
 */
export function readTls (option: string, value: unknown): TlsSettings | undefined {
  if (value === undefined || value === false) return undefined
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), '{ cert, key }: PEM text or files, or false')
  checkKeys(option, value, Object.keys(NAMES), `'${option}'`)
  const { sni, cert, key, passphrase, ...others } = value
  const certificate = readCertificate(option, { cert, key, passphrase })
  const settings: TlsSettings = { ...others, ...certificate }
  if (others.ca !== undefined) settings.ca = readPem(`${option}.ca`, others.ca, 'CERTIFICATE')
  check(option, certificate)
  checkOthers(option, others)
  check(option, settings)
  const contexts = readNames(`${option}.sni`, sni, forNames(settings))
  if (contexts !== undefined) settings.SNICallback = nameContexts(contexts)
  return settings
}

/** What Node.js takes from the context of a name, and not from the server: all but the certificate, in whatever form. */
function forNames (
  { cert: _cert, key: _key, passphrase: _phrase, pfx: _pfx, privateKeyEngine: _engine, privateKeyIdentifier: _name, ...shared }: TlsSettings
): SecureContextOptions {
  return shared
}

function readNames (
  option: string, value: unknown, shared: SecureContextOptions
): Map<string, ReturnType<typeof createSecureContext>> | undefined {
  if (value === undefined) return undefined
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), "an object of certificates by name: { 'example.org': { cert, key } }")
  const contexts = new Map<string, ReturnType<typeof createSecureContext>>()
  for (const [name, given] of Object.entries(value)) {
    const place = `${option}['${name}']`
    if (!/^(?:\*\.)?[\w-]+(?:\.[\w-]+)*$/.test(name)) throw new FST_SCGI_OPT_INVALID(option, show(name), "names such as 'example.org' and '*.example.org'")
    if (!isRecord(given)) throw new FST_SCGI_OPT_INVALID(place, show(given), '{ cert, key }')
    checkKeys(place, given, CERTIFICATE, 'a certificate of a name')
    contexts.set(name.toLowerCase(), check(place, { ...shared, ...readCertificate(place, given) }))
  }
  return contexts
}

function readCertificate (option: string, { cert, key, passphrase }: Record<string, unknown>): SecureContextOptions {
  if (cert === undefined) throw new FST_SCGI_OPT_INVALID(`${option}.cert`, 'missing', 'the certificate of the key: PEM text, or its file')
  if (key === undefined) throw new FST_SCGI_OPT_INVALID(`${option}.key`, 'missing', 'the key of the certificate: PEM text, or its file')
  if (passphrase !== undefined && typeof passphrase !== 'string') throw new FST_SCGI_OPT_INVALID(`${option}.passphrase`, typeof passphrase, 'a text')
  return {
    cert: readPem(`${option}.cert`, cert, 'CERTIFICATE'),
    key: readPem(`${option}.key`, key, 'PRIVATE KEY'),
    ...(passphrase === undefined ? undefined : { passphrase }),
  }
}

function readPem (option: string, value: unknown, kind: string): Pem[] {
  return (Array.isArray(value) ? value : [value]).map((one: unknown) => {
    if (Buffer.isBuffer(one)) return one
    if (typeof one !== 'string' || one === '') throw new FST_SCGI_OPT_INVALID(option, typeof one, 'PEM text, a Buffer of it, or the path of its file')
    let text = one
    if (!one.includes('-----BEGIN ')) {
      try {
        text = readText(one)
      } catch (error) {
        throw new FST_SCGI_OPT_INVALID(option, show(one), `a file that can be read (${toError(error).message})`)
      }
    }
    // Never the text itself: it may be a key.
    if (!new RegExp(`-----BEGIN [A-Z ]*${kind}-----`).test(text)) throw new FST_SCGI_OPT_INVALID(option, one === text ? 'a text' : show(one), `PEM with a ${kind}`)
    return text
  })
}

/** Node.js says itself what is wrong with its options, but not with which. */
function checkOthers (option: string, { ca: _ca, crl: _crl, pfx: _pfx, ...others }: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(others)) {
    try {
      createSecureContext({ [name]: value })
    } catch (error) {
      throw new FST_SCGI_OPT_INVALID(`${option}.${name}`, show(value), `what Node.js takes (${toError(error).message})`)
    }
  }
}

function check (option: string, settings: SecureContextOptions): ReturnType<typeof createSecureContext> {
  try {
    return createSecureContext(settings)
  } catch (error) {
    const { message } = toError(error)
    const reason = message.includes('key values mismatch') ? 'the key is not that of the certificate' : message
    throw new FST_SCGI_OPT_INVALID(option, 'unusable', `a certificate and its key that go together, and options that Node.js takes (${reason})`)
  }
}
