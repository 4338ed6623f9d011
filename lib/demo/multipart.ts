/** The head of one part. */
export interface PartHead {
  readonly name: string
  /** `undefined` for a field that is no file. */
  readonly filename: string | undefined
  readonly type: string
}

/** Takes the content of one part. */
export interface PartSink {
  data (piece: Buffer): void
  end (): void
}

/** Largest head of a part. */
const HEAD_LIMIT = 16_384
const CRLF = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')
const NOTHING = Buffer.alloc(0)

/** The boundary of a multipart/form-data body (RFC 7578). */
export function boundaryOf (contentType: string): string | undefined {
  const match = /^multipart\/form-data\s*;.*\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)
  return match?.[1] ?? match?.[2]
}

/** Reads multipart/form-data piece by piece: a file of any size passes through without being held. */
export class MultipartReader {
  /** The closing boundary has been read. */
  complete = false
  readonly #delimiter: Buffer
  readonly #onPart: (head: PartHead) => PartSink | undefined
  // The first boundary has no line before it; with this it looks like all the others.
  #rest: Buffer = CRLF
  /** Room for a head that is not complete. */
  #store: Buffer = NOTHING
  /** So much of the rest has been searched for the end of a head. */
  #searched = 0
  #state: 'content' | 'boundary' | 'head' = 'content'
  #sink: PartSink | undefined

  /** @param onPart called at each part; what it returns gets the content */
  constructor (boundary: string, onPart: (head: PartHead) => PartSink | undefined) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
    this.#onPart = onPart
  }

  /** Returns what is wrong with the body, if anything is. */
  write (piece: Buffer): string | undefined {
    if (this.complete) return undefined
    this.#rest = this.#rest.length === 0 ? piece : this.#append(piece)
    for (;;) {
      const before = this.#rest
      const state = this.#state
      const problem = state === 'content' ? this.#content() : state === 'boundary' ? this.#boundary() : this.#head()
      if (problem !== undefined) return problem
      if (this.complete || (this.#rest === before && this.#state === state)) return undefined
    }
  }

  /** Copies each byte a bounded number of times, however small the pieces are: outside of a head the rest is shorter than a boundary. */
  #append (piece: Buffer): Buffer {
    const rest = this.#rest
    if (this.#state !== 'head') return Buffer.concat([rest, piece])
    const length = rest.length + piece.length
    if (this.#store.length < length) {
      this.#store = Buffer.allocUnsafe(length * 2)
      rest.copy(this.#store)
    }
    piece.copy(this.#store, rest.length)
    return this.#store.subarray(0, length)
  }

  #content (): undefined {
    const at = this.#rest.indexOf(this.#delimiter)
    // What might be the beginning of a boundary waits for the rest of it.
    const end = at === -1 ? this.#rest.length - this.#delimiter.length + 1 : at
    if (end > 0) this.#sink?.data(this.#rest.subarray(0, end))
    if (at !== -1) {
      this.#sink?.end()
      this.#sink = undefined
      this.#rest = this.#rest.subarray(at + this.#delimiter.length)
      this.#state = 'boundary'
    } else if (end > 0) {
      this.#rest = this.#rest.subarray(end)
    }
  }

  #boundary (): string | undefined {
    if (this.#rest.length < 2) return undefined
    const [first, second] = this.#rest
    if (first === 45 && second === 45) this.complete = true
    else if (first === 13 && second === 10) this.#state = 'head'
    else return 'a boundary of the multipart body is followed by something else'
    return undefined
  }

  #head (): string | undefined {
    // The line end of the boundary is still there: a head without lines is found as well.
    const end = this.#rest.indexOf(HEAD_END, this.#searched)
    if (end === -1) {
      this.#searched = Math.max(0, this.#rest.length - HEAD_END.length + 1)
      return this.#rest.length > HEAD_LIMIT ? 'the head of a part is too large' : undefined
    }
    this.#searched = 0
    const head = readHead(this.#rest.subarray(0, end).toString('utf8'))
    if (head === undefined) return 'a part has no Content-Disposition with a name'
    this.#sink = this.#onPart(head)
    this.#rest = this.#rest.subarray(end + HEAD_END.length)
    // What is left of it lies there, and a sink may keep what it is given.
    this.#store = NOTHING
    this.#state = 'content'
    return undefined
  }
}

function readHead (text: string): PartHead | undefined {
  let name: string | undefined
  let filename: string | undefined
  let type = ''
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    const field = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (field === 'content-type') type = value
    if (field !== 'content-disposition' || !/^form-data\b/i.test(value)) continue
    name = parameter(value, 'name')
    filename = parameter(value, 'filename')
  }
  return name === undefined ? undefined : { name, filename, type }
}

/** A parameter of Content-Disposition, with the escapes that browsers use in it. */
function parameter (value: string, wanted: string): string | undefined {
  const match = new RegExp(`;\\s*${wanted}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;]*))`, 'i').exec(value)
  const text = match?.[1] ?? match?.[2]
  return text?.replace(/\\(["\\])/g, '$1').replaceAll('%22', '"').replaceAll('%0D', '\r').replaceAll('%0A', '\n')
}
