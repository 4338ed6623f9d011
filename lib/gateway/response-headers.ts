import type { ResponseHead } from '../../types/exchange.ts'

/** Headers that have their meaning between application and gateway. */
const HIDDEN = ['status', 'x-accel-expires', 'x-accel-redirect', 'x-accel-limit-rate', 'x-accel-buffering', 'x-accel-charset', 'scgi-keepalive']
/** Headers of the connection between application and gateway, and those that the gateway makes anew. */
const NEVER = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'content-length']

/** Decides which headers of a reply the client gets. */
export class HeaderFilter {
  readonly #hidden: ReadonlySet<string>

  constructor (hideHeaders: readonly string[], passHeaders: readonly string[]) {
    const hidden = new Set([...HIDDEN, ...hideHeaders.map(lower)])
    for (const name of passHeaders) hidden.delete(lower(name))
    for (const name of NEVER) hidden.add(name)
    this.#hidden = hidden
  }

  /**
   * The headers for the client by lower-case name; Content-Length is not among them.
   * @param http2 leave out what HTTP/2 forbids
   */
  apply (head: ResponseHead, http2: boolean): Record<string, string | string[]> {
    const { headers } = head
    const passed: Record<string, string | string[]> = {}
    for (const name in headers) {
      const value = headers[name]
      if (value === undefined || this.#hidden.has(name)) continue
      if (http2 && (name === 'upgrade' || name === 'http2-settings')) continue
      passed[name] = value
    }
    return passed
  }

  /** The lower-case names of the headers with the first spelling that the application gave each. */
  spelling (head: ResponseHead): Map<string, string> {
    const names = new Map<string, string>()
    for (let i = 0; i < head.rawHeaders.length; i += 2) {
      const name = head.rawHeaders[i]
      if (name !== undefined && !names.has(name.toLowerCase())) names.set(name.toLowerCase(), name)
    }
    return names
  }
}

function lower (name: string): string {
  return name.toLowerCase()
}
