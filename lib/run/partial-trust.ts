import { FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { isFunction, isRecord } from '../options/checks.ts'

/**
 * A CA of `ca` that is signed by another one is trusted where that is wished: servers of Node.js do not pass the option on to their context,
 * as `createSecureContext` does for the names of `sni`.
 * @throws FST_SCGI_OPT_UNSUPPORTED
 */
export function trustPartialChains<S extends object> (server: S, options: { allowPartialTrustChain?: unknown } | undefined): S {
  if (options?.allowPartialTrustChain !== true) return server
  const own: unknown = Reflect.get(server, '_sharedCreds')
  const context = isRecord(own) ? own['context'] : undefined
  const trust = isRecord(context) ? context['setAllowPartialTrustChain'] : undefined
  if (!isFunction(trust)) throw new FST_SCGI_OPT_UNSUPPORTED('tls.allowPartialTrustChain', `Node.js ${process.version} does not have it`)
  Reflect.apply(trust, context, [])
  return server
}
