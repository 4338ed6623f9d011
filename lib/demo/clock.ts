import type { ServerResponse } from 'node:http'
import type { ScgiServerRequest } from '../../types/server.ts'

/** Server-sent events with the time of day, one a second. */
export class EventClock {
  readonly #clients = new Set<ServerResponse<ScgiServerRequest>>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  serve (request: ScgiServerRequest, response: ServerResponse<ScgiServerRequest>): void {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' })
    if (this.#closed || request.method === 'HEAD') {
      response.end()
      return
    }
    this.#clients.add(response)
    response.on('close', () => {
      this.#clients.delete(response)
      if (this.#clients.size === 0) this.#stop()
    })
    response.write(tick())
    this.#timer ??= setTimeout(this.#tell, untilNextSecond())
  }

  /** Ends every stream. */
  close (): void {
    this.#closed = true
    this.#stop()
    for (const client of this.#clients) client.end()
  }

  readonly #tell = (): void => {
    this.#timer = setTimeout(this.#tell, untilNextSecond())
    const event = tick()
    for (const client of this.#clients) {
      // A client that does not read gets the newest time when it does, not all that it has missed.
      if (!client.writableNeedDrain) client.write(event)
    }
  }

  #stop (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

function tick (): string {
  return `event: tick\ndata: ${new Date().toISOString()}\n\n`
}

function untilNextSecond (): number {
  return 1000 - Date.now() % 1000
}
