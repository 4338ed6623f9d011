import type { ServerResponse } from 'node:http'
import { EventClock } from './clock.ts'
import { readForm, readUpload, RequestProblem } from './input.ts'
import { renderPage, type Outcome } from './page.ts'
import { CSP } from './assets.ts'
import type { ScgiServerRequest } from '../../types/server.ts'

type Response = ServerResponse<ScgiServerRequest>

/** A small SCGI application that shows what it is sent: a page, a form, an upload and a clock. */
export class DemoApplication {
  readonly #base: string
  readonly #clock = new EventClock()

  /** @param base path of the application in the browser's eyes, without a slash at its end */
  constructor (base: string) {
    this.#base = base
  }

  /** Ends the event streams. */
  close (): void {
    this.#clock.close()
  }

  serve (request: ScgiServerRequest, response: Response): void {
    this.#answer(request, response).catch((error: unknown) => {
      if (request.destroyed && !request.complete) return
      const status = error instanceof RequestProblem ? error.status : 500
      sendJson(response, status, { error: error instanceof Error ? error.message : String(error) })
    })
  }

  async #answer (request: ScgiServerRequest, response: Response): Promise<void> {
    const { method = 'GET' } = request
    const path = this.#path(request.url ?? '/')
    const allowed = path === '/form' || path === '/upload' ? ['POST'] : ['GET', 'HEAD']
    if (!['/', '/params', '/clock', '/form', '/upload'].includes(path)) throw new RequestProblem(404, `there is nothing at ${path}`)
    if (!allowed.includes(method)) {
      response.setHeader('allow', allowed.join(', '))
      throw new RequestProblem(405, `${path} takes ${allowed.join(' and ')}`)
    }
    if (path === '/form') this.#show(request, response, { form: await readForm(request) })
    else if (path === '/upload') this.#show(request, response, { files: await readUpload(request) })
    else if (path === '/clock') this.#clock.serve(request, response)
    else if (path === '/params') sendText(response, listParams(request))
    else sendHtml(response, renderPage(request, this.#base, undefined))
  }

  /** What came of a form or an upload: a page for a browser without script, JSON for anybody else. */
  #show (request: ScgiServerRequest, response: Response, outcome: Outcome): void {
    if (request.headers.accept?.includes('text/html') === true) sendHtml(response, renderPage(request, this.#base, outcome))
    else sendJson(response, 200, 'form' in outcome ? { received: Object.fromEntries(outcome.form) } : { files: outcome.files })
  }

  #path (url: string): string {
    const [path = '/'] = url.split('?')
    const rest = path.startsWith(this.#base) ? path.slice(this.#base.length) : path
    return rest === '' ? '/' : rest
  }
}

function listParams (request: ScgiServerRequest): string {
  return Object.entries(request.scgi).map(([name, value]) => `${name}=${value}\n`).join('')
}

function sendHtml (response: Response, html: string): void {
  send(response, 200, 'text/html; charset=utf-8', html)
}

function sendText (response: Response, text: string): void {
  // The values are the bytes that came: they are given back as they are.
  send(response, 200, 'text/plain; charset=utf-8', Buffer.from(text, 'latin1'))
}

function sendJson (response: Response, status: number, value: object): void {
  if (response.headersSent) response.destroy()
  else send(response, status, 'application/json; charset=utf-8', `${JSON.stringify(value, undefined, 2)}\n`)
}

function send (response: Response, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'content-security-policy': CSP,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
