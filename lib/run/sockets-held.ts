import { chownSync, lstatSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { dirname } from 'node:path'
import { divertConnections, setBacklog, type Handle, type ServerAddress } from './handles.ts'
import { StartError } from './errors.ts'
import { codeOf, toError } from '../runtime/caught.ts'
import { collides, keyOf, showPlace, type Place } from './read-listen.ts'
import { bindingsOf, giveSocket, listenOn, urlOf } from './sockets.ts'

/** Of the mode of a directory. */
const SET_GROUP = 0o2000

interface Held {
  place: Place
  readonly servers: Server[]
}

/** The sockets of the primary: they stay open for as long as a configuration has them, whatever happens to the workers. */
export class HeldSockets {
  readonly #take: (key: string, connection: Handle) => void
  #held = new Map<string, Held>()
  /** Keys of those that were closed for others, and are forgotten with the next `keep`. */
  readonly #moved = new Set<string>()

  readonly #forget: (key: string) => void

  /**
   * @param take gets each connection, with the key of its place
   * @param forget is told of a place that was opened and is not wanted after all
   */
  constructor (take: (key: string, connection: Handle) => void, forget: (key: string) => void = () => {}) {
    this.#take = take
    this.#forget = forget
  }

  /**
   * Opens those that are not open yet, and has the others be as they are said to be now, all or none.
   * @returns what undoes that, if they are not wanted after all
   * @throws StartError
   */
  async open (places: readonly Place[]): Promise<() => Promise<void>> {
    const wanted = new Set(places.map(keyOf))
    const opened: string[] = []
    const changed: (() => void)[] = []
    const moved: Place[] = []
    const undo = async (): Promise<void> => {
      // What cannot be undone must not keep the rest from it.
      const failures: unknown[] = []
      for (const back of changed.splice(0)) {
        try {
          back()
        } catch (error) {
          failures.push(error)
        }
      }
      await this.#close(opened)
      for (const key of opened) this.#forget(key)
      for (const place of moved.splice(0)) {
        try {
          await this.#add(place)
          this.#moved.delete(keyOf(place))
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
    }
    try {
      for (const place of places) {
        const key = keyOf(place)
        const held = this.#held.get(key)
        if (held !== undefined) {
          changed.push(change(await this.#present(key, held), place))
          continue
        }
        opened.push(key)
        await this.#add(place).catch(async (error: unknown) => {
          if (codeOf(error) !== 'EADDRINUSE') throw error
          const others = [...this.#held].filter(([other]) => collides(other, place))
          const beside = others.find(([other]) => wanted.has(other))
          if (beside !== undefined) {
            throw new StartError(`cannot listen on ${showPlace(place)}: the address is in use by ${showPlace(beside[1].place)}, which 'listen' has, too: leave one of them out`)
          }
          if (others.length === 0) throw error
          // As late as can be: nobody listens in between.
          for (const [other, { place: before }] of others) {
            moved.push(before)
            this.#moved.add(other)
          }
          await this.#close(others.map(([other]) => other))
          await this.#add(place)
        })
      }
    } catch (error) {
      await undo().catch((further: unknown) => {
        throw new StartError(`${toError(error).message}; and what listened before does not any more: ${toError(further).message}`)
      })
      throw error
    }
    return undo
  }

  /**
   * Closes all but these.
   * @returns the keys of those that are no more
   */
  async keep (places: readonly Place[]): Promise<string[]> {
    const wanted = new Set(places.map(keyOf))
    const gone = [...this.#held.keys()].filter(key => !wanted.has(key))
    await this.#close(gone)
    const moved = [...this.#moved]
    this.#moved.clear()
    return [...gone, ...moved]
  }

  /** Where a place is. */
  addressOf (place: Place): ServerAddress {
    return this.#held.get(keyOf(place))?.servers[0]?.address() ?? null
  }

  /** Where clients find it. */
  urlsOf (place: Place, scheme: string): string[] {
    return (this.#held.get(keyOf(place))?.servers ?? []).map(server => urlOf(server, scheme))
  }

  /** Closes all, before it returns: files of sockets are removed. */
  kill (): void {
    for (const { servers } of this.#held.values()) for (const server of servers) server.close()
    this.#held.clear()
  }

  /** @throws StartError, and then it is not there */
  async #add (place: Place): Promise<void> {
    const key = keyOf(place)
    const servers: Server[] = []
    this.#held.set(key, { place, servers })
    try {
      await this.#listen(place, key, servers)
    } catch (error) {
      await this.#close([key])
      throw error
    }
  }

  /** Nobody can connect to a unix socket whose file was deleted: it is made again. */
  async #present (key: string, held: Held): Promise<Held> {
    if (!('path' in held.place) || lstatSync(held.place.path, { throwIfNoEntry: false }) !== undefined) return held
    // Before the new one is opened: it removes the file of its path.
    await this.#close([key])
    await this.#add(held.place)
    return this.#held.get(key) ?? held
  }

  async #listen (place: Place, key: string, servers: Server[]): Promise<void> {
    let port: number | undefined
    for (const binding of await bindingsOf(place)) {
      const server = createServer()
      try {
        await listenOn(server, port === undefined ? binding : { ...binding, options: { ...binding.options, port } })
      } catch (error) {
        if (binding.optional) continue
        throw error
      }
      divertConnections(server, connection => this.#take(key, connection))
      const address = server.address()
      // A port that the system chooses is one for all addresses of a name.
      if (typeof address === 'object' && address !== null) ({ port } = address)
      servers.push(server)
    }
  }

  async #close (keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const { servers = [] } = this.#held.get(key) ?? {}
      this.#held.delete(key)
      await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
    }
  }
}

/**
 * The socket stays, its mode, its group and its backlog are those of another configuration.
 * @returns what undoes that
 * @throws StartError
 */
function change (held: Held, place: Place): () => void {
  const before = held.place
  const undo: (() => void)[] = []
  if ('path' in place && 'path' in before && (place.mode !== before.mode || place.gid !== before.gid)) {
    const stat = statSync(place.path, { throwIfNoEntry: false })
    if (stat !== undefined) {
      // What is no longer said is as with a new socket.
      const mode = place.mode ?? (before.mode === undefined ? undefined : newMode())
      giveSocket({ path: place.path, mode, gid: place.gid })
      if (place.gid === undefined && before.gid !== undefined) wishGroup(place.path, newGroup(place.path))
      undo.push(() => {
        // Its file may be gone by then, as where all is closed meanwhile; the rest is undone nevertheless.
        if (lstatSync(place.path, { throwIfNoEntry: false }) === undefined) return
        giveSocket({ path: place.path, mode: stat.mode & 0o777, gid: stat.gid })
      })
    }
  }
  if ('backlog' in place && 'backlog' in before && place.backlog !== before.backlog) {
    for (const server of held.servers) setBacklog(server, place.backlog)
    undo.push(() => { for (const server of held.servers) setBacklog(server, before.backlog) })
  }
  held.place = place
  undo.push(() => { held.place = before })
  return () => { for (const back of undo) back() }
}

/** Gives a socket a group that nobody has named: it stays as it is where this user may not. */
function wishGroup (path: string, gid: number | undefined): void {
  try {
    if (gid !== undefined) chownSync(path, -1, gid)
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw error
  }
}

function newMode (): number {
  // Reading it alone is deprecated.
  const mask = process.umask(0o077)
  process.umask(mask)
  return 0o777 & ~mask
}

/** A directory may pass its group on. */
function newGroup (path: string): number | undefined {
  const directory = statSync(dirname(path))
  return (directory.mode & SET_GROUP) === 0 ? process.getegid?.() : directory.gid
}
