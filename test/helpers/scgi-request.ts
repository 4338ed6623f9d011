/** A request header block as an SCGI server reads it: names and values as latin1 text (one character a byte), in order. */
export interface ParsedHead {
  params: [name: string, value: string][]
  /** Bytes of the whole netstring, comma included. */
  size: number
  /** Value of CONTENT_LENGTH. */
  contentLength: number
}

/**
 * Reads the header netstring at the start of `bytes`; `undefined` while it is incomplete. Written from the SCGI text and
 * sharing nothing with lib/: it is what the encoder is checked against.
 * Throws an Error that names the first rule that is broken.
 */
export function parseScgiHead (bytes: Buffer): ParsedHead | undefined {
  const colon = bytes.indexOf(0x3a)
  const digits = bytes.toString('latin1', 0, colon === -1 ? bytes.length : colon)
  if (!/^(?:0|[1-9][0-9]{0,8})?$/.test(digits)) throw new Error(`not a netstring length: ${JSON.stringify(digits.slice(0, 40))}`)
  if (colon === -1) return undefined
  if (digits === '') throw new Error('empty netstring length')
  const length = Number(digits)
  const end = colon + 1 + length
  if (bytes.length <= end) return undefined
  if (bytes[end] !== 0x2c) throw new Error(`netstring of ${length} bytes ends in byte ${bytes[end]}, not in a comma`)

  const text = bytes.toString('latin1', colon + 1, end)
  if (!text.endsWith('\0')) throw new Error('the header block does not end in NUL')
  const parts = text.slice(0, -1).split('\0')
  if (parts.length % 2 !== 0) throw new Error('a header without value')
  const params: [string, string][] = []
  for (let i = 0; i < parts.length; i += 2) params.push([parts[i] ?? '', parts[i + 1] ?? ''])

  const [first] = params
  if (first?.[0] !== 'CONTENT_LENGTH') throw new Error(`the first header is ${first?.[0]}, not CONTENT_LENGTH`)
  if (!/^[0-9]+$/.test(first[1])) throw new Error(`CONTENT_LENGTH is ${JSON.stringify(first[1])}`)
  return { params, size: end + 1, contentLength: Number(first[1]) }
}
