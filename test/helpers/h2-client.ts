import http2 from 'node:http2'
import type { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { testCertificate } from './tls-cert.ts'

export interface H2Response {
  statusCode: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** Error code of the RST_STREAM frame that ended the stream; 0 when it ended well. */
  resetCode: number
  /** The stream was reset, or ended by the connection, before its end. */
  cut: boolean
}

/** An HTTP/2 connection, in clear or with the test certificate. */
export class H2Client implements AsyncDisposable {
  readonly session: ClientHttp2Session

  constructor (session: ClientHttp2Session) {
    this.session = session
  }

  static async connect (port: number, options: { tls?: boolean, host?: string } = {}): Promise<H2Client> {
    const host = options.host ?? '127.0.0.1'
    const session = options.tls
      ? http2.connect(`https://${host}:${port}`, { ca: testCertificate.cert, servername: 'localhost' })
      : http2.connect(`http://${host}:${port}`)
    await new Promise<void>((resolve, reject) => {
      session.once('error', reject)
      session.once('connect', () => { session.off('error', reject); resolve() })
    })
    session.on('error', () => {}) // every stream tells
    return new H2Client(session)
  }

  /** Sends a request and waits for the end of the stream. Rejects when it ends without a head. */
  request (headers: OutgoingHttpHeaders, body?: string | Buffer | Iterable<string | Buffer>): Promise<H2Response> {
    return new Promise((resolve, reject) => {
      const stream = this.session.request(headers, { endStream: body === undefined })
      let head: IncomingHttpHeaders | undefined
      let ended = false
      const chunks: Buffer[] = []
      stream.on('response', (received) => { head = received })
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => { ended = true })
      stream.on('error', () => {}) // 'close' follows with the code
      stream.on('close', () => {
        if (head === undefined) return reject(new Error(`the stream closed without a response (code ${stream.rstCode})`))
        const resetCode = stream.rstCode ?? 0
        resolve({
          statusCode: Number(head[':status']),
          headers: head,
          body: Buffer.concat(chunks),
          resetCode,
          cut: resetCode !== 0 || !ended,
        })
      })
      if (body === undefined) return
      for (const piece of typeof body === 'string' || Buffer.isBuffer(body) ? [body] : body) stream.write(piece)
      stream.end()
    })
  }

  close (): Promise<void> {
    return new Promise((resolve) => {
      if (this.session.destroyed) return resolve()
      this.session.once('close', resolve)
      this.session.destroy()
    })
  }

  [Symbol.asyncDispose] (): Promise<void> {
    return this.close()
  }
}
