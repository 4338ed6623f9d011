import cluster from 'node:cluster'
import { FST_SCGI_SPAWN } from '../errors.ts'
import { fromPrimary, OWNER_VARIABLE, wrap, type FromPrimary, type FromWorker } from './messages.ts'
import { nameOf, type SpawnSettings } from './options.ts'
import type { Application, ApplicationListener, ApplicationServer, ProcessState } from './contract.ts'

let nextId = 0
const heard = new Map<number, (message: FromPrimary) => void>()

/** This is a worker whose primary owns the applications. */
export function primaryOwns (): boolean {
  return cluster.isWorker && process.connected && process.env[OWNER_VARIABLE] === String(process.ppid)
}

/** An application whose processes belong to the primary. What they say, and what happens to them, is told there. */
export class RemoteApplication implements Application {
  readonly #id = nextId++
  readonly #option: string
  readonly #settings: SpawnSettings
  readonly #listener: ApplicationListener
  #said = ''
  #processes: readonly ProcessState[] = []

  constructor (option: string, settings: SpawnSettings, listener: ApplicationListener) {
    this.#option = option
    this.#settings = settings
    this.#listener = listener
  }

  async start (): Promise<readonly ApplicationServer[]> {
    listen()
    return await new Promise((resolve, reject) => {
      const lost = (): void => {
        heard.delete(this.#id)
        reject(new FST_SCGI_SPAWN(nameOf(this.#settings), 'the primary process, which starts it, has gone'))
      }
      process.once('disconnect', lost)
      heard.set(this.#id, message => {
        if (message.what === 'servers') {
          this.#listener.onServers(message.servers)
          return
        }
        if (message.what === 'processes') {
          this.#processes = message.processes
          return
        }
        if (message.what === 'started') resolve(message.servers)
        else if (message.what === 'failed') {
          heard.delete(this.#id)
          reject(Object.assign(new Error(message.error.message), { code: message.error.code, statusCode: 500 }))
        }
        process.off('disconnect', lost)
      })
      this.#send({ what: 'start', id: this.#id, option: this.#option, settings: this.#settings })
    })
  }

  /** As the primary has told last. */
  get processes (): readonly ProcessState[] {
    return this.#processes
  }

  load (active: ReadonlyMap<string, number>): void {
    const list = [...active]
    const text = JSON.stringify(list)
    if (text === this.#said) return
    this.#said = text
    this.#send({ what: 'load', id: this.#id, active: list })
  }

  async stop (): Promise<void> {
    if (!heard.has(this.#id) || !process.connected) return
    await new Promise<void>(resolve => {
      const over = (): void => {
        heard.delete(this.#id)
        process.off('disconnect', over)
        resolve()
      }
      process.once('disconnect', over)
      heard.set(this.#id, message => { if (message.what === 'stopped') over() })
      this.#send({ what: 'stop', id: this.#id })
    })
  }

  #send (body: FromWorker): void {
    // A channel that has closed under our hands is told by 'disconnect'.
    if (process.connected) process.send?.(wrap(body), undefined, undefined, () => {})
  }
}

let listening = false

function listen (): void {
  if (listening) return
  listening = true
  process.on('message', (message: unknown) => {
    const body = fromPrimary(message)
    if (body !== undefined) heard.get(body.id)?.(body)
  })
}
