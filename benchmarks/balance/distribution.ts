import { Group } from '../../lib/balancer/group.ts'
import { METHODS, methodOf, requestOf, seeded } from './methods.ts'

const WEIGHTS = [5, 3, 1, 1, 2, 4, 1, 1, 1, 1]

/** Attempts that run at any time. With few of them, load for the weight comes in coarse steps, and methods that go by it are coarse, too. */
const RUNNING = 1000

export interface Distribution {
  readonly method: string
  /** The largest difference between the share of a server and what is due to it, as a part of that. */
  readonly error: number
  /** What is due goes by weight; else all are due the same. */
  readonly weighted: boolean
}

/** How the picks are spread over ten servers of different weights, while so many attempts are running at any time. */
export function distribution (picks: number, seed = 1): Distribution[] {
  const total = WEIGHTS.reduce((sum, weight) => sum + weight)
  return Object.keys(METHODS).map(method => {
    const chance = seeded(seed)
    let now = 0
    const peers = WEIGHTS.map((weight, target) => ({ name: `10.0.0.${target + 1}:4000`, target, weight }))
    const group = new Group<number>({ name: method, peers, method: methodOf(method, seed), now: () => now })
    const counts = WEIGHTS.map(() => 0)
    const running: (() => void)[] = []
    for (let pick = 0; pick < picks; pick++) {
      now += 1
      const selection = group.begin(requestOf(Math.floor(chance() * 2 ** 24)))
      const peer = selection.next()
      if (peer === undefined) throw new Error('no live upstreams')
      counts[peer.target] = (counts[peer.target] ?? 0) + 1
      const metrics = { headerTime: 40, responseTime: 50, bytesSent: 500, bytesReceived: 100 + chance() * 10_000 }
      const release = (): void => selection.release(peer, 'ok', metrics)
      if (running.length < RUNNING) {
        running.push(release)
      } else {
        const index = Math.floor(chance() * running.length)
        running[index]?.()
        running[index] = release
      }
    }
    const weighted = method !== 'bybusyness'
    const errors = counts.map((count, index) => {
      const due = picks * (weighted ? (WEIGHTS[index] ?? 0) / total : 1 / WEIGHTS.length)
      return Math.abs(count / due - 1)
    })
    return { method, error: Math.max(...errors), weighted }
  })
}
