import { isIP } from 'node:net'

/** A local address to connect from. */
export interface LocalAddress {
  readonly localAddress: string
  readonly localPort: number | undefined
}

/** Reads `addr`, `addr:port` or `[v6]:port`; `undefined` for anything else. */
export function readLocalAddress (text: string): LocalAddress | undefined {
  if (isIP(text) !== 0) return { localAddress: text, localPort: undefined }
  const match = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text)
  const address = match?.[1] ?? match?.[2]
  if (match === null || address === undefined || isIP(address) !== (match[1] === undefined ? 4 : 6)) return undefined
  const port = match[3] === undefined ? undefined : Number(match[3])
  return port !== undefined && (port < 1 || port > 65535) ? undefined : { localAddress: address, localPort: port }
}
