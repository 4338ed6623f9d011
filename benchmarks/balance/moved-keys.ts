import { Group } from '../../lib/balancer/group.ts'
import { methodOf, requestOf } from './methods.ts'

export interface MovedKeys {
  readonly method: string
  /** Shares of all keys that go elsewhere, over the additions: mean, least, most. */
  readonly mean: number
  readonly least: number
  readonly most: number
  /** Keys that went from one of the old servers to another of them, as a share of all: what consistent hashing is to avoid. */
  readonly astray: number
}

function serversOf (group: Group<number>, keys: number): Int32Array {
  return Int32Array.from({ length: keys }, (_, number) => {
    const selection = group.begin(requestOf(number))
    const peer = selection.next()
    if (peer === undefined) throw new Error('no live upstreams')
    selection.release(peer, 'ok')
    return peer.target
  })
}

/** A group of `servers` grows by one, `additions` times, each time by another one. */
export function movedKeys (keys: number, additions: number, servers = 100): MovedKeys[] {
  return ['hash', 'hash, consistent'].map(method => {
    const peers = Array.from({ length: servers }, (_, target) => ({ name: `10.0.0.${target}:4000`, target }))
    const group = new Group<number>({ name: method, peers, method: methodOf(method, 1) })
    const before = serversOf(group, keys)
    const shares: number[] = []
    let astray = 0
    for (let n = 0; n < additions; n++) {
      const added = group.add({ name: `10.0.1.${n}:4000`, target: servers + n })
      let moved = 0
      serversOf(group, keys).forEach((server, index) => {
        if (server === before[index]) return
        moved += 1
        if (server !== added.target) astray += 1
      })
      shares.push(moved / keys)
      group.remove(added)
    }
    return {
      method,
      mean: shares.reduce((sum, share) => sum + share) / additions,
      least: Math.min(...shares),
      most: Math.max(...shares),
      astray: astray / keys / additions,
    }
  })
}
