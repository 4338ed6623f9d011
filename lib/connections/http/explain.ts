import { explainConnect } from '../explain.ts'

/** What a connection that could not be secured means, and what to look at. */
const TLS_REASONS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself: give that as tls.ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by an authority unknown here: give that as tls.ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by an authority unknown here: give that as tls.ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by an authority unknown here: give that as tls.ca',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: set tls.servername, or use that name in the address',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: the address is perhaps meant to begin with http://',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS: the address is perhaps meant to begin with http://',
}

/** What a connection to an HTTP server that does not come about means. */
export function explainHttpConnect (error: NodeJS.ErrnoException): string {
  const code = error.code ?? ''
  const reason = TLS_REASONS[code]
  return reason === undefined ? explainConnect(error) : `${code}, ${reason}`
}

/** Why an HTTP server may have closed the connection before its head was complete. */
export function explainHttpClose (received: number, reason: string | undefined): string {
  const why = reason === undefined ? '' : ` (${reason})`
  if (received > 0) return `${why} (${received} bytes had come)`
  return `${why}, without a byte of reply. Usual causes: it crashed or refused the request; it speaks TLS (https://) or SCGI (scgi://)`
}

/** What is wrong with a head, in undici's words. */
export function explainHttpHead (error: Error): string {
  const reason = /\((.*)\)$/.exec(error.message)?.[1] ?? error.message
  return /Expected HTTP/.test(reason) ? `'${reason}': this server does not answer in HTTP; an SCGI server has an address with scgi://` : reason
}
