import { createHash } from 'node:crypto'
import { boundaryOf, MultipartReader } from './multipart.ts'
import type { ScgiServerRequest } from '../../types/server.ts'

/** Largest form the demo takes, in bytes. */
const FORM_LIMIT = 65_536

/** The request cannot be served. */
export class RequestProblem extends Error {
  readonly status: number

  constructor (status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** A file as it arrived; it is not kept. */
export interface UploadedFile {
  /** Name of the form's field. */
  field: string
  /** Name of the file in the client's eyes; empty if it has none. */
  name: string
  /** The media type that the client says it has. */
  type: string
  bytes: number
  /** In hexadecimal digits. */
  sha256: string
}

/**
 * Reads a form (application/x-www-form-urlencoded).
 * @throws RequestProblem
 */
export async function readForm (request: ScgiServerRequest): Promise<[name: string, value: string][]> {
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) {
    throw new RequestProblem(415, 'send a form: Content-Type application/x-www-form-urlencoded')
  }
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of pieceOf(request)) {
    size += piece.length
    if (size > FORM_LIMIT) throw new RequestProblem(413, `the form is larger than ${FORM_LIMIT} bytes`)
    pieces.push(piece)
  }
  return [...new URLSearchParams(Buffer.concat(pieces).toString('utf8'))]
}

/**
 * Reads an upload (multipart/form-data), and keeps of each file its length and its digest.
 * @throws RequestProblem
 */
export async function readUpload (request: ScgiServerRequest): Promise<UploadedFile[]> {
  const boundary = boundaryOf(request.headers['content-type'] ?? '')
  if (boundary === undefined) throw new RequestProblem(415, 'send an upload: Content-Type multipart/form-data with a boundary')
  const files: UploadedFile[] = []
  const reader = new MultipartReader(boundary, ({ name, filename, type }) => {
    // What has no file name is another field of the form.
    if (filename === undefined) return undefined
    const file: UploadedFile = { field: name, name: filename, type, bytes: 0, sha256: '' }
    const hash = createHash('sha256')
    return {
      data (piece) {
        file.bytes += piece.length
        hash.update(piece)
      },
      end () {
        file.sha256 = hash.digest('hex')
        // A browser sends a field without a choice as a file without name and content.
        if (file.name !== '' || file.bytes > 0) files.push(file)
      },
    }
  })
  for await (const piece of pieceOf(request)) {
    const problem = reader.write(piece)
    if (problem !== undefined) throw new RequestProblem(400, problem)
  }
  if (!reader.complete) throw new RequestProblem(400, 'the multipart body breaks off')
  return files
}

async function * pieceOf (request: ScgiServerRequest): AsyncGenerator<Buffer> {
  // Leaving before the end must not destroy the request: its answer says why.
  for await (const piece of request.iterator({ destroyOnReturn: false })) if (Buffer.isBuffer(piece)) yield piece
}
