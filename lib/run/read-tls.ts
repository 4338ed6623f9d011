import { createSecureContext, createServer, type SecureContextOptions, type TlsOptions } from 'node:tls'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { toError } from '../runtime/caught.ts'
import { isFunction, isRecord } from '../options/checks.ts'
import { MAX_PROBE_DELAY, MAX_TIME, probeDelay, show } from '../options/units.ts'
import { checkKeys } from '../options/keys.ts'
import { trustPartialChains } from './partial-trust.ts'
import { readText } from './kept-source.ts'
import { nameContexts } from './server-names.ts'
import type { ListenCertificate, ListenTlsOptions } from '../../types/config.ts'

type Pem = string | Buffer

/** With a name that is not known a limit would be missing, without a word. */
const NAMES: Readonly<Record<keyof ListenTlsOptions, true>> = {
  ALPNCallback: true,
  allowPartialTrustChain: true,
  ca: true,
  cert: true,
  ciphers: true,
  crl: true,
  dhparam: true,
  ecdhCurve: true,
  enableTrace: true,
  handshakeTimeout: true,
  honorCipherOrder: true,
  keepAlive: true,
  keepAliveInitialDelay: true,
  key: true,
  maxVersion: true,
  minVersion: true,
  noDelay: true,
  passphrase: true,
  pfx: true,
  pskCallback: true,
  pskIdentityHint: true,
  rejectUnauthorized: true,
  requestCert: true,
  secureOptions: true,
  secureProtocol: true,
  sessionIdContext: true,
  sessionTimeout: true,
  sigalgs: true,
  sni: true,
  ticketKeys: true,
}

const IGNORED = 'Node.js does not look at it here'
const NO_ENGINE = "an OpenSSL engine cannot stand in for 'key': give the key"
/** Options that Node.js has, and that have no effect on what is served. */
const REFUSED: Readonly<Record<string, string>> = {
  ALPNProtocols: "the protocols are those of 'http2', or what 'ALPNCallback' chooses",
  SNICallback: "the certificates of names are those of 'sni'",
  allowHalfOpen: IGNORED,
  clientCertEngine: 'it is for clients',
  highWaterMark: IGNORED,
  pauseOnConnect: IGNORED,
  privateKeyEngine: NO_ENGINE,
  privateKeyIdentifier: NO_ENGINE,
  secureContext: "Node.js looks at the other options instead: give 'cert', 'key' and what else it was made of",
}

/** Of another value Node.js takes some for true, and some for false, without a word. */
const FLAGS = ['allowPartialTrustChain', 'enableTrace', 'honorCipherOrder', 'keepAlive', 'noDelay', 'rejectUnauthorized', 'requestCert']
/** The least and the most of each: Node.js takes its default for what is no number, and for a time of 0. */
const NUMBERS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  handshakeTimeout: [1, MAX_TIME],
  keepAliveInitialDelay: [0, MAX_PROBE_DELAY],
  sessionTimeout: [1, MAX_TIME],
}

/** What each name has of its own. */
const CERTIFICATE: readonly (keyof ListenCertificate)[] = ['cert', 'key', 'passphrase']

/** Options of `https.createServer`, everything read from the disk. */
export type TlsSettings = TlsOptions & SecureContextOptions

/**
 * Reads the option `tls`, and the files that it names: what cannot be used is found here, and not by the first client.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readTls (option: string, value: unknown): TlsSettings | undefined {
  if (value === undefined || value === false) return undefined
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), '{ cert, key }: PEM text or files, or false')
  for (const [name, reason] of Object.entries(REFUSED)) {
    if (value[name] !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.${name}`, reason)
  }
  checkKeys(option, value, [...Object.keys(NAMES), ...Object.keys(REFUSED)], `'${option}'`)
  const { sni, cert, key, passphrase, ...others } = value
  const certificate = readCertificate(option, { cert, key, passphrase })
  const settings: TlsSettings = { ...others, ...certificate }
  if (others.ca !== undefined) settings.ca = readPem(`${option}.ca`, others.ca, 'CERTIFICATE')
  check(option, certificate)
  checkOthers(option, others)
  const { keepAliveInitialDelay } = others
  if (typeof keepAliveInitialDelay === 'number') settings.keepAliveInitialDelay = probeDelay(keepAliveInitialDelay)
  check(option, settings)
  const contexts = readNames(`${option}.sni`, sni, forNames(settings))
  if (contexts !== undefined) settings.SNICallback = nameContexts(contexts)
  return settings
}

/** What Node.js takes from the context of a name, and not from the server: all but the certificate, in whatever form. */
function forNames (
  { cert: _cert, key: _key, passphrase: _phrase, pfx: _pfx, ...shared }: TlsSettings
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
    if (value === undefined) continue
    if (FLAGS.includes(name) && typeof value !== 'boolean') throw new FST_SCGI_OPT_INVALID(`${option}.${name}`, show(value), 'true or false')
    const [least, most] = NUMBERS[name] ?? []
    if (least !== undefined && most !== undefined && !(typeof value === 'number' && value >= least && value <= most)) {
      throw new FST_SCGI_OPT_INVALID(`${option}.${name}`, show(value), `a number from ${least} to ${most}`)
    }
    if (name === 'ALPNCallback' && !isFunction(value)) throw new FST_SCGI_OPT_INVALID(`${option}.${name}`, show(value), 'a function')
    try {
      const given = { [name]: value }
      trustPartialChains(createServer(given), given)
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
