import type { FastifyInstance } from 'fastify'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

const BODY = '{"error":"Service Unavailable","message":"Service Unavailable","statusCode":503}'

/**
 * Refuses the requests that come while the application closes, as Fastify's `return503OnClosing` does; but where they come in, not where
 * they are routed: an internal redirect of a request in progress is routed once more, and its reply is to be finished.
 */
export class Refusal {
  readonly #wanted: boolean
  #app: FastifyInstance | undefined

  /** @param wanted false: what comes on a connection that is still open is answered */
  constructor (wanted: boolean) {
    this.#wanted = wanted
  }

  /** The same listener, as long as the application does not close. */
  before (handler: RequestListener): RequestListener {
    if (!this.#wanted) return handler
    return (request, response) => {
      if (this.#app === undefined) handler(request, response)
      else this.#refuse(this.#app, request, response)
    }
  }

  /** To be called before any other has added hooks: from the very beginning of its close. */
  watch (app: FastifyInstance): void {
    app.addHook('preClose', done => {
      this.#app = app
      done()
    })
  }

  #refuse (app: FastifyInstance, request: IncomingMessage, response: ServerResponse): void {
    if (request.httpVersionMajor < 2) response.setHeader('connection', 'close')
    response.writeHead(503, { 'content-type': 'application/json', 'content-length': BODY.length })
    response.end(request.method === 'HEAD' ? undefined : BODY)
    app.log.info({ res: { statusCode: 503 } }, 'request aborted - refusing to accept new requests as server is closing')
  }
}
