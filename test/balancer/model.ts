import { Group } from '../../lib/balancer/group.ts'
import type { GroupOptions } from '../../lib/balancer/group.ts'
import type { Peer, PeerOptions } from '../../lib/balancer/peer.ts'
import type { Selection } from '../../lib/balancer/selection.ts'
import type { AttemptOutcome } from '../../types/upstream.ts'

/** A clock that stands still until it is told otherwise. It begins where the time of day would, not at 0. */
export class FakeClock {
  time = 1_700_000_000_000
  readonly now = (): number => this.time
  advance (ms: number): void {
    this.time += ms
  }
}

export type PeerSpec = Omit<PeerOptions<string>, 'target'>

export interface TestGroup {
  group: Group<string>
  clock: FakeClock
  /** State changes in the order in which they were reported: `'A down'`. */
  changes: string[]
  /** The peer of that name. */
  peer (name: string): Peer<string>
  /** One request with one attempt; the name of its server, or `undefined`. */
  attempt (outcome: AttemptOutcome): string | undefined
}

export function testGroup (peers: PeerSpec[], options: Partial<GroupOptions<string>> = {}): TestGroup {
  const clock = new FakeClock()
  const changes: string[] = []
  const group = new Group<string>({
    name: 'backend',
    peers: peers.map(peer => ({ ...peer, target: `to ${peer.name}` })),
    now: clock.now,
    onStateChange: (peer, state) => { changes.push(`${peer.name} ${state}`) },
    ...options,
  })
  return {
    group,
    clock,
    changes,
    peer (name) {
      const found = group.servers.find(peer => peer.name === name)
      if (found === undefined) throw new Error(`no peer ${name}`)
      return found
    },
    attempt (outcome) {
      const selection = group.begin()
      const peer = selection.next()
      if (peer !== undefined) selection.release(peer, outcome)
      return peer?.name
    },
  }
}

/** Peers called A, B, C ... with these weights. */
export function weighted (...weights: number[]): PeerSpec[] {
  return weights.map((weight, index) => ({ name: String.fromCharCode(65 + index), weight }))
}

/** The names of all servers that one request gets when every attempt ends with `outcome`, whatever `tries` says. */
export function exhaust (selection: Selection<string>, outcome: AttemptOutcome): string[] {
  const names: string[] = []
  for (let peer = selection.next(); peer !== undefined; peer = selection.next()) {
    names.push(peer.name)
    selection.release(peer, outcome)
  }
  return names
}

interface ModelPeer {
  weight: number
  effective: number
  current: number
  conns: number
  maxConns: number
  fails: number
  maxFails: number
  failTimeout: number
  accessed: number
  checked: number
  down: boolean
}

/**
 * The rules of selection and failure accounting once more, in the plainest form: the clock is read at each step,
 * nothing is left out because it cannot matter. What the balancer does must be equal to it pick by pick.
 */
export class Model {
  readonly primary: ModelPeer[] = []
  readonly backup: ModelPeer[] = []
  readonly all: ModelPeer[] = []
  readonly single: boolean
  readonly #now: () => number

  constructor (specs: PeerSpec[], now: () => number) {
    this.#now = now
    for (const spec of specs) {
      const weight = spec.weight ?? 1
      const peer = {
        weight,
        effective: weight,
        current: 0,
        conns: 0,
        maxConns: spec.maxConns ?? 0,
        fails: 0,
        maxFails: spec.maxFails ?? 1,
        failTimeout: spec.failTimeout ?? 10_000,
        accessed: 0,
        checked: 0,
        down: spec.down ?? false,
      }
      this.all.push(peer)
      if (spec.backup === true) this.backup.push(peer)
      else this.primary.push(peer)
    }
    this.single = this.primary.length === 1 && this.backup.length === 0
  }

  begin (): ModelRequest {
    return { peers: this.primary, tried: new Set(), tries: this.all.filter(peer => !peer.down).length }
  }

  /** Why the peer cannot serve now, or `''`. */
  obstacle (peer: ModelPeer): string {
    if (peer.down) return 'down'
    if (peer.maxConns > 0 && peer.conns >= peer.maxConns) return 'full'
    if (peer.maxFails > 0 && peer.fails >= peer.maxFails && this.#now() - peer.checked <= peer.failTimeout) return 'failed'
    return ''
  }

  /** Index of the chosen peer in the order of the configuration, or -1. */
  next (request: ModelRequest): number {
    const now = this.#now()
    let best: ModelPeer | undefined
    let total = 0
    for (const peer of request.peers) {
      if (request.tried.has(peer) || this.obstacle(peer) !== '') continue
      peer.current += peer.effective
      total += peer.effective
      if (peer.effective < peer.weight) peer.effective++
      if (best === undefined || peer.current > best.current) best = peer
    }
    if (best === undefined) {
      if (request.peers === this.backup || this.backup.length === 0) return -1
      request.peers = this.backup
      request.tried.clear()
      return this.next(request)
    }
    best.current -= total
    best.conns++
    request.tried.add(best)
    if (now - best.checked > best.failTimeout) best.checked = now
    return this.all.indexOf(best)
  }

  free (request: ModelRequest, index: number, outcome: 'ok' | 'failed' | 'next'): void {
    const peer = this.all[index]
    if (peer === undefined) throw new Error('no such peer')
    peer.conns--
    if (this.single) {
      peer.fails = 0
      request.tries = 0
      return
    }
    if (outcome === 'failed') {
      const now = this.#now()
      peer.fails++
      peer.accessed = now
      peer.checked = now
      if (peer.maxFails > 0) peer.effective -= Math.floor(peer.weight / peer.maxFails)
      if (peer.effective < 0) peer.effective = 0
    } else if (peer.accessed < peer.checked) {
      peer.fails = 0
    }
    if (request.tries > 0) request.tries--
  }
}

export interface ModelRequest {
  peers: ModelPeer[]
  readonly tried: Set<ModelPeer>
  tries: number
}
