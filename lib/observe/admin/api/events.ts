import { STEP, STEPS } from '../accounts/history.ts'
import { cacheModel, requestModel, type CacheModel, type GroupModel, type ServerModel } from './model.ts'
import { processModel } from './process.ts'
import type { ServerResponse } from 'node:http'
import type { WorkerName } from '../../../workers/siblings.ts'
import type { AdminService } from '../service.ts'

/** What the stream tells, all of it in the first event, what has changed in each that follows. */
interface State {
  groups: readonly GroupModel[]
  caches: readonly CacheModel[]
  process: object
  failed: readonly object[]
  slow: readonly object[]
  edits: readonly object[]
  /** Of several. */
  workers?: readonly object[] | undefined
  missing?: readonly WorkerName[] | undefined
}

const INTERVAL = 1000

/**
 * The stream of what changes. However many clients there are, the state is made once a second, and one text goes to all; with none nothing
 * is made at all.
 */
export class EventStream {
  readonly #service: AdminService
  readonly #clients = new Set<ServerResponse>()
  /** They have been told nothing yet. */
  readonly #newcomers = new Set<ServerResponse>()
  #asking = false
  #timer: NodeJS.Timeout | undefined
  #told: Map<string, string> | undefined
  #step = 0
  #closed = false

  constructor (service: AdminService) {
    this.#service = service
  }

  get clients (): number {
    return this.#clients.size
  }

  /** Takes over an answer whose head was not sent yet. */
  serve (response: ServerResponse, headers: Readonly<Record<string, string>>): void {
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    if (this.#closed) {
      response.end()
      return
    }
    response.on('error', () => {})
    response.on('close', () => {
      this.#clients.delete(response)
      this.#newcomers.delete(response)
      if (this.#clients.size + this.#newcomers.size === 0) this.#stop()
    })
    this.#newcomers.add(response)
    this.#serveNewcomers()
    this.#timer ??= setInterval(() => this.#tick(), INTERVAL)
  }

  /** Ends all streams. */
  close (): void {
    this.#closed = true
    this.#stop()
    for (const client of [...this.#clients, ...this.#newcomers]) client.end()
  }

  #tick (): void {
    if (this.#asking) return
    if (this.#newcomers.size > 0) {
      this.#serveNewcomers()
      return
    }
    const history = this.#withHistory()
    this.#know(history ? STEPS : 0, state => this.#tellChanges(state, history))
  }

  #serveNewcomers (): void {
    this.#know(STEPS, state => {
      // The others are told the same now: what changes back before their next delta would be in none, and stay with the newcomer.
      if (this.#told !== undefined) this.#tellChanges(state, false)
      else this.#told = textsOf(state)
      for (const newcomer of this.#newcomers) {
        this.#clients.add(newcomer)
        newcomer.write(event('state', state))
      }
      this.#newcomers.clear()
    })
  }

  /** Other workers are asked, one question at a time: who comes meanwhile is served after that. */
  #know (history: number, tell: (state: State) => void): void {
    if (!this.#service.shared) {
      tell(stateOf(this.#service, history))
      return
    }
    if (this.#asking) return
    this.#asking = true
    this.#service.overall(history).then(state => {
      this.#asking = false
      if (this.#timer === undefined) return
      tell(state)
      if (this.#newcomers.size > 0) this.#serveNewcomers()
    }).catch(() => { this.#asking = false })
  }

  #tellChanges (state: State, history: boolean): void {
    const texts = textsOf(state)
    const delta = changes(state, texts, this.#told ?? new Map(), history)
    const gone = [...this.#told?.keys() ?? []].filter(key => !texts.has(key))
    this.#told = texts
    if (Object.keys(delta).length === 0 && gone.length === 0) return
    const text = event('delta', gone.length === 0 ? delta : { ...delta, gone })
    for (const client of this.#clients) {
      // Who does not read is cut off, and starts again when they do: a delta that is missed would be missed for good.
      // That of HTTP/2 has no `writableNeedDrain`, and knows nothing of what its socket has not written.
      if (client.writableLength > MOST_UNREAD) client.destroy()
      else client.write(text)
    }
  }

  /** Graphs change as often as they have a new point. */
  #withHistory (): boolean {
    const step = Math.floor(this.#service.now() / STEP)
    const isNew = step !== this.#step
    this.#step = step
    return isNew
  }

  #stop (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#told = undefined
  }
}

/** Bytes that a client may leave unread. */
const MOST_UNREAD = 4 * 1024 * 1024

/** @param history points of the graphs */
function stateOf (service: AdminService, history: number): State {
  return {
    groups: service.models(history),
    caches: service.caches.map(cache => cacheModel(cache, service.baseOf(cache))),
    process: processModel(),
    failed: service.requests.failed.map(requestModel),
    slow: service.requests.slow.map(requestModel),
    edits: service.edits,
  }
}

/** What each part looks like, graphs aside. */
function textsOf ({ groups, caches, failed, slow, edits, missing }: State): Map<string, string> {
  const texts = new Map<string, string>()
  for (const group of groups) {
    texts.set(`group ${group.id}`, JSON.stringify({ ...group, servers: group.servers.map(({ id }) => id) }))
    for (const server of group.servers) texts.set(`server ${group.id} ${server.id}`, JSON.stringify(withoutHistory(server)))
  }
  for (const cache of caches) texts.set(`cache ${cache.id}`, JSON.stringify(cache))
  for (const [name, list] of Object.entries({ failed, slow, edits })) texts.set(name, `${list.length} ${JSON.stringify(list[0])}${missing === undefined ? '' : digestOf(list)}`)
  texts.set('missing', JSON.stringify(missing))
  return texts
}

/** Lists of several workers are filled in their middle, too. */
function digestOf (list: readonly object[]): string {
  return list.map(item => 'at' in item ? String(item.at) : '').join()
}

function withoutHistory ({ history: _history, ...server }: ServerModel): object {
  return server
}

function changes (
  state: State, texts: ReadonlyMap<string, string>, told: ReadonlyMap<string, string>, history: boolean
): Record<string, unknown> {
  const differs = (key: string): boolean => texts.get(key) !== told.get(key)
  const groups = state.groups.flatMap(group => {
    const servers = group.servers.filter(server => history || differs(`server ${group.id} ${server.id}`))
    if (servers.length === 0 && !differs(`group ${group.id}`)) return []
    return [{ ...group, order: group.servers.map(({ id }) => id), servers }]
  })
  const caches = state.caches.filter(({ id }) => differs(`cache ${id}`))
  return {
    ...(groups.length === 0 ? undefined : { groups }),
    ...(caches.length === 0 ? undefined : { caches }),
    ...(history || differs('missing') ? { process: state.process, workers: state.workers, missing: state.missing } : undefined),
    ...(differs('failed') ? { failed: state.failed } : undefined),
    ...(differs('slow') ? { slow: state.slow } : undefined),
    ...(differs('edits') ? { edits: state.edits } : undefined),
  }
}

function event (name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
