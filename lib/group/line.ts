import { literalAddress, needsLookup } from '../connections/address.ts'
import { without, type ServerEdit } from './server-edits.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { ServerAddress } from '../../types/exchange.ts'
import type { ServerSettings } from './group-options.ts'
import type { Found } from './resolve/watch.ts'

/** A server of a line. */
export interface Member {
  readonly address: ServerAddress
  /** What the DNS says of it; `undefined` if nobody asked. */
  readonly found: Found | undefined
  /** Why an application serves nobody there; `undefined` if it does, and for every other server. */
  readonly stopped?: string | undefined
  /** Another number when an application serves anew there. */
  readonly life?: number | undefined
}

/** One entry of the option `servers`, or one that was added: a server, or those of a name. */
export class Line {
  readonly server: ServerSettings
  /** `undefined` until its name is resolved, or its application is started. */
  members: readonly Member[] | undefined
  /** By key. */
  readonly endpoints = new Map<string, Endpoint>()
  readonly #id: number
  /** What was edited for all its servers, those to come included. */
  #edits: ServerEdit = {}
  /** What was edited for one of them, by key. */
  readonly #own = new Map<string, ServerEdit>()

  constructor (id: number, server: ServerSettings) {
    this.#id = id
    this.server = server
    this.members = server.watch !== undefined
      ? []
      : server.spawn !== undefined || needsLookup(server.address)
        ? undefined
        : [{ address: literalAddress(server.address), found: undefined }]
  }

  /** What the server at an address is recognised by in its group. */
  keyOf ({ name }: ServerAddress): string {
    return `${this.#id} ${name}`
  }

  /** How all its servers stand, but for what the DNS says of them and what was edited for one alone. */
  get settings (): ServerSettings {
    return { ...this.server, ...this.#edits }
  }

  /** How one of its servers stands. */
  settingsOf ({ address, found }: Member): ServerSettings {
    const { server } = this
    // As with nginx: weights of the DNS count where the configuration is silent.
    const told = found === undefined
      ? undefined
      : { weight: server.weight === 1 ? found.weight ?? 1 : server.weight, backup: server.backup || found.backup }
    return { ...server, ...told, ...this.#edits, ...this.#own.get(this.keyOf(address)) }
  }

  edit (edit: ServerEdit): void {
    this.#edits = { ...this.#edits, ...edit }
    for (const [key, own] of this.#own) this.#own.set(key, without(own, edit))
  }

  editOne (key: string, edit: ServerEdit): void {
    this.#own.set(key, { ...this.#own.get(key), ...edit })
  }

  /** A server has left. */
  forget (key: string): void {
    this.endpoints.delete(key)
    this.#own.delete(key)
  }
}
