import type { SecureContext, TlsOptions } from 'node:tls'

/** Chooses the certificate by the name that a client asks for; without one, that of the server. */
export function nameContexts (contexts: ReadonlyMap<string, SecureContext>): NonNullable<TlsOptions['SNICallback']> {
  return (name, done) => {
    const wanted = name.toLowerCase()
    // A star stands for one label. (RFC 6125 section 6.4.3)
    done(null, contexts.get(wanted) ?? contexts.get(wanted.replace(/^[^.]+/, '*')))
  }
}
