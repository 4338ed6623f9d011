import { once } from 'node:events'
import { join } from 'node:path'
import { createScgiServer } from '../../lib/server/index.ts'
import { ROOT } from './snippets.ts'
import { tempDir } from './temp.ts'
import type { TempDir } from './temp.ts'
import type { ScgiServer } from '../../lib/server/index.ts'

/** The addresses that documentation may name: each becomes a live application. */
const ADDRESS = /(?:127\.0\.0\.1|localhost|10\.0\.0\.\d+):40\d\d|unix:\/run\/[\w./-]+\.sock/g
/** Applications that are started: those of the examples. */
const SCRIPT = /(?<=[' ])app\.(?:pl|py)\b/g

/** SCGI applications that answer with what they were sent: a line for each parameter, an empty one, the body. */
export class Applications implements AsyncDisposable {
  readonly #dir: TempDir
  readonly #servers = new Map<string, { server: ScgiServer, address: string }>()

  private constructor (dir: TempDir) {
    this.#dir = dir
  }

  static async create (): Promise<Applications> {
    return new Applications(await tempDir())
  }

  /** Puts a live application in place of every address in a text, the same for the same address, and a free port in place of 8080. */
  async rewrite (text: string): Promise<string> {
    const live = new Map<string, string>()
    for (const [address] of text.matchAll(ADDRESS)) live.set(address, await this.#start(address))
    return text.replace(SCRIPT, name => join(ROOT, 'examples/spawn', name)).replace(ADDRESS, address => live.get(address) ?? address).replace(/\bport: (?:8080|4000)\b/g, "port: 0, host: '127.0.0.1'")
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    for (const { server } of this.#servers.values()) server.close().closeAllConnections()
    await this.#dir.remove()
  }

  async #start (name: string): Promise<string> {
    const known = this.#servers.get(name)
    if (known !== undefined) return known.address
    const server = createScgiServer((request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        const params = Object.entries(request.scgi).map(([param, value]) => `${param}=${value}\n`).join('')
        response.setHeader('content-type', 'text/plain; charset=utf-8')
        response.end(Buffer.concat([Buffer.from(`application at ${name}\n${params}\n`, 'latin1'), ...pieces]))
      })
    })
    const path = name.startsWith('unix:') ? this.#dir.socket() : undefined
    if (path === undefined) server.listen(0, '127.0.0.1')
    else server.listen(path)
    await once(server, 'listening')
    const bound = server.address()
    const address = typeof bound === 'object' && bound !== null ? `127.0.0.1:${bound.port}` : `unix:${bound}`
    this.#servers.set(name, { server, address })
    return address
  }
}
