import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED, FST_SCGI_SERVER_DISCOVERED, FST_SCGI_SERVER_UNKNOWN } from '../errors.ts'
import { show } from '../options/units.ts'
import { Line, type Member } from './line.ts'
import { editOf } from './server-edits.ts'
import type { BalanceSettings } from './balance-options.ts'
import type { ServerSettings } from './group-options.ts'

type Changes = Readonly<Record<string, unknown>>

/** What a name stands for in a group: lines as a whole, or else single servers of lines, by their keys. */
interface Named {
  readonly lines: readonly Line[]
  /** The servers that are meant, those of the lines included. */
  readonly servers: ReadonlyMap<string, { readonly line: Line, readonly member: Member }>
}

/** The entries of a group, and what was edited of them. */
export class Lines {
  readonly #group: string
  readonly #list: Line[] = []
  /** Of each server its line. */
  readonly #lineOf = new Map<string, Line>()
  #nextId = 0

  /** @param group its name, for errors */
  constructor (group: string) {
    this.#group = group
  }

  get list (): readonly Line[] {
    return this.#list
  }

  /** Every name that is looked up once has been. */
  get resolved (): boolean {
    return this.#list.every(({ members }) => members !== undefined)
  }

  /** A line that is not yet one of them. */
  make (server: ServerSettings): Line {
    return new Line(this.#nextId++, server)
  }

  add (line: Line): void {
    this.#list.push(line)
  }

  /** The first line with this address, as it is written. */
  find (address: string): Line | undefined {
    return this.#list.find(({ server }) => server.given === address)
  }

  /** The line of a server that is in the group. */
  lineOf (key: string): Line | undefined {
    return this.#lineOf.get(key)
  }

  /** How a server that is in the group stands. */
  settingsOf (key: string): ServerSettings | undefined {
    const line = this.#lineOf.get(key)
    const member = line?.members?.find(({ address }) => line.keyOf(address) === key)
    return member === undefined ? undefined : line?.settingsOf(member)
  }

  /** The servers of all lines, as they stand: these are in the group from now on. */
  enter<Entered> (enter: (line: Line, member: Member, key: string) => Entered): Entered[] {
    this.#lineOf.clear()
    return this.#list.flatMap(line => (line.members ?? []).map(member => {
      const key = line.keyOf(member.address)
      this.#lineOf.set(key, line)
      return enter(line, member, key)
    }))
  }

  /** A server has left the group. */
  forget (key: string): void {
    for (const line of this.#list) line.forget(key)
  }

  /**
   * The lines with this address, or the servers of this name.
   * @throws FST_SCGI_SERVER_UNKNOWN
   */
  select (name: string): Named {
    const lines = this.#list.filter(({ server }) => server.given === name)
    const all = lines.length > 0 ? lines : this.#list
    const servers = all.flatMap(line => (line.members ?? [])
      .filter(({ address }) => lines.length > 0 || address.name === name)
      .map(member => [line.keyOf(member.address), { line, member }] as const))
    if (lines.length === 0 && servers.length === 0) throw new FST_SCGI_SERVER_UNKNOWN(this.#group, show(name))
    return { lines, servers: new Map(servers) }
  }

  /**
   * Takes servers off. Returns the lines that are gone as a whole.
   * @throws FST_SCGI_SERVER_DISCOVERED
   */
  remove (name: string, { lines, servers }: Named): Line[] {
    const gone = new Set(lines)
    for (const { line } of lines.length > 0 ? [] : servers.values()) {
      if (line.server.watch !== undefined) throw new FST_SCGI_SERVER_DISCOVERED(name, line.server.given)
      if (line.server.spawn !== undefined && (line.members ?? []).length > 1) {
        throw new FST_SCGI_OPT_UNSUPPORTED('server', `${name} is one process of '${line.server.given}': disable it, or remove them all by that name`)
      }
      line.members = (line.members ?? []).filter(({ address }) => address.name !== name)
      if (line.members.length === 0) gone.add(line)
    }
    for (const line of gone) this.#list.splice(this.#list.indexOf(line), 1)
    return [...gone]
  }

  /**
   * Edits servers. What cannot be changes nothing.
   * @param changes as `readChanges` gives them
   * @param alone each option is looked at by itself
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED
   */
  edit ({ lines, servers }: Named, changes: Changes, balance: BalanceSettings, alone = false): void {
    const edits: (() => void)[] = []
    // Those that a name will have are to be no other than those that it has.
    for (const line of lines) {
      const edit = editOf(line.settings, changes, balance, alone)
      edits.push(() => line.edit(edit))
    }
    for (const [key, { line, member }] of servers) {
      const edit = editOf(line.settingsOf(member), changes, balance, alone)
      if (lines.length === 0) edits.push(() => line.editOne(key, edit))
    }
    if (!alone) this.#checkOthers({ lines, servers }, changes)
    for (const edit of edits) edit()
  }

  /**
   * Whether the servers may take turns in this way.
   * @throws FST_SCGI_OPT_UNSUPPORTED
   */
  checkBalance (balance: BalanceSettings): void {
    const slow = balance.fixedWeights ? this.#standing(() => true).find(({ slowStart }) => slowStart > 0) : undefined
    if (slow === undefined) return
    throw new FST_SCGI_OPT_UNSUPPORTED('balance', `${slow.given} has a slowStart, and '${balance.name}' knows no weight that grows`)
  }

  /**
   * Not all servers may be backups, nor spares, as at register.
   * @throws FST_SCGI_OPT_INVALID
   */
  #checkOthers ({ lines, servers }: Named, changes: Changes): void {
    const others = this.#standing((line, key) => !lines.includes(line) && !servers.has(key ?? ''))
    for (const [name, what] of [['backup', 'a backup'], ['spare', 'a spare']] as const) {
      if (changes[name] === true && others.every(settings => settings[name])) {
        throw new FST_SCGI_OPT_INVALID(`server.${name}`, 'true', `at least one other server of ${this.#group} that is not ${what}`)
      }
    }
  }

  /** How those servers stand that a function chooses, and lines that have none yet. */
  #standing (choose: (line: Line, key: string | undefined) => boolean): ServerSettings[] {
    return this.#list.flatMap(line => {
      if (line.members === undefined || line.members.length === 0) return choose(line, undefined) ? [line.settings] : []
      return line.members.filter(({ address }) => choose(line, line.keyOf(address))).map(member => line.settingsOf(member))
    })
  }
}
