/** One HTTP/1 response, exactly as it came. */
export interface RawResponse {
  /** `HTTP/1.1` */
  version: string
  statusCode: number
  reason: string
  /** Header lines in order, values as latin1 text without the blanks around them. */
  headers: [name: string, value: string][]
  /** How the end of the body is known. */
  framing: 'none' | 'length' | 'chunked' | 'eof'
  /** The body, chunked coding removed. */
  body: Buffer
  /** Bytes of the body, also where it was not kept. */
  bodyLength: number
  /** The connection ended before the body did (by its framing), or was reset. */
  cut: boolean
  /** The 1xx responses before it. */
  informational: { statusCode: number, reason: string, headers: [string, string][] }[]
}

/** What came is no HTTP/1 response. */
export class BadResponse extends Error {}

/** Every value of a header, in order. */
export function headerValues (response: Pick<RawResponse, 'headers'>, name: string): string[] {
  return response.headers.filter(([n]) => n.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}

/** The only value of a header; `undefined` without it. Throws when there are several. */
export function headerValue (response: Pick<RawResponse, 'headers'>, name: string): string | undefined {
  const values = headerValues(response, name)
  if (values.length > 1) throw new Error(`${values.length} lines of ${name}`)
  return values[0]
}

interface Head {
  version: string
  statusCode: number
  reason: string
  headers: [string, string][]
}

type State = 'head' | 'length' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'eof'

/**
 * Reads the responses of one connection, independent of node's parser and stricter: what it cannot make
 * sense of throws `BadResponse`.
 */
export class ResponseParser {
  /** Bytes that belong to no response so far. */
  rest: Buffer = Buffer.alloc(0)
  readonly #complete: (response: RawResponse) => void
  readonly #method: () => string
  readonly #keepBody: boolean
  #state: State = 'head'
  #head: Head | undefined
  #framing: RawResponse['framing'] = 'none'
  #informational: RawResponse['informational'] = []
  #body: Buffer[] = []
  #bodyLength = 0
  #left = 0

  /** `method` tells the method of the request that the next response answers; HEAD has no body. */
  constructor (complete: (response: RawResponse) => void, method: () => string, keepBody = true) {
    this.#complete = complete
    this.#method = method
    this.#keepBody = keepBody
  }

  /** A head has been read and its body is under way. */
  get started (): boolean {
    return this.#head !== undefined
  }

  /** Status line and headers of the response under way. */
  get head (): Head | undefined {
    return this.#head
  }

  /** Bytes of the body under way. */
  get bodyLength (): number {
    return this.#bodyLength
  }

  feed (chunk: Buffer): void {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    while (this.rest.length > 0 && this.#step());
  }

  /** The connection has ended. */
  end (reset: boolean): void {
    if (this.#head === undefined) return
    this.#finish(reset || this.#state !== 'eof')
  }

  #step (): boolean {
    switch (this.#state) {
      case 'head': return this.#readHead()
      case 'eof': this.#take(this.rest.length); return false
      case 'length':
        this.#left -= this.#take(Math.min(this.#left, this.rest.length))
        if (this.#left > 0) return false
        this.#finish(false)
        return true
      case 'chunk-size': {
        const line = this.#line()
        if (line === undefined) return false
        const size = /^([0-9a-f]{1,8})(?:;.*)?$/i.exec(line)?.[1]
        if (size === undefined) throw new BadResponse(`bad chunk size ${JSON.stringify(line)}`)
        this.#left = parseInt(size, 16)
        this.#state = this.#left === 0 ? 'trailers' : 'chunk-data'
        return true
      }
      case 'chunk-data':
        this.#left -= this.#take(Math.min(this.#left, this.rest.length))
        if (this.#left === 0) this.#state = 'chunk-end'
        return true
      case 'chunk-end': {
        const line = this.#line()
        if (line === undefined) return false
        if (line !== '') throw new BadResponse(`chunk data followed by ${JSON.stringify(line)}`)
        this.#state = 'chunk-size'
        return true
      }
      case 'trailers': {
        const line = this.#line()
        if (line === undefined) return false
        if (line === '') this.#finish(false)
        return true
      }
    }
  }

  #take (count: number): number {
    if (this.#keepBody) this.#body.push(this.rest.subarray(0, count))
    this.#bodyLength += count
    this.rest = this.rest.subarray(count)
    return count
  }

  #line (): string | undefined {
    const end = this.rest.indexOf('\r\n')
    if (end === -1) return undefined
    const line = this.rest.toString('latin1', 0, end)
    this.rest = this.rest.subarray(end + 2)
    return line
  }

  #readHead (): boolean {
    const end = this.rest.indexOf('\r\n\r\n')
    if (end === -1) return false
    const [statusLine = '', ...lines] = this.rest.toString('latin1', 0, end).split('\r\n')
    const match = /^(HTTP\/\d\.\d) (\d{3})(?: (.*)|(.*))$/s.exec(statusLine)
    if (match === null) throw new BadResponse(`bad status line ${JSON.stringify(statusLine)}`)
    this.rest = this.rest.subarray(end + 4)
    const [, version = '', code, reason, glued] = match
    const head: Head = { version, statusCode: Number(code), reason: reason ?? glued ?? '', headers: lines.map(headerLine) }
    if (head.statusCode < 200 && head.statusCode !== 101) {
      this.#informational.push(head)
      return true
    }
    this.#head = head
    this.#frame(head)
    return true
  }

  #frame (head: Head): void {
    const lengths = headerValues(head, 'content-length')
    const codings = headerValues(head, 'transfer-encoding')
    if (lengths.length > 1) throw new BadResponse(`${lengths.length} lines of Content-Length`)
    if (codings.length > 0 && lengths.length > 0) throw new BadResponse('Content-Length together with Transfer-Encoding')
    if (this.#method() === 'HEAD' || head.statusCode === 204 || head.statusCode === 304) {
      this.#framing = 'none'
      this.#finish(false)
    } else if (codings.length > 0) {
      if (codings.join() !== 'chunked') throw new BadResponse(`Transfer-Encoding ${codings.join()}`)
      this.#framing = 'chunked'
      this.#state = 'chunk-size'
    } else if (lengths[0] !== undefined) {
      if (!/^\d+$/.test(lengths[0])) throw new BadResponse(`Content-Length ${JSON.stringify(lengths[0])}`)
      this.#framing = 'length'
      this.#state = 'length'
      this.#left = Number(lengths[0])
      if (this.#left === 0) this.#finish(false)
    } else {
      this.#framing = 'eof'
      this.#state = 'eof'
    }
  }

  #finish (cut: boolean): void {
    const head = this.#head
    if (head === undefined) return
    const response: RawResponse = {
      ...head,
      framing: this.#framing,
      body: Buffer.concat(this.#body),
      bodyLength: this.#bodyLength,
      cut,
      informational: this.#informational,
    }
    this.#head = undefined
    this.#state = 'head'
    this.#informational = []
    this.#body = []
    this.#bodyLength = 0
    this.#complete(response)
  }
}

function headerLine (line: string): [string, string] {
  const colon = line.indexOf(':')
  if (colon < 1) throw new BadResponse(`bad header line ${JSON.stringify(line)}`)
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
}
