import { Group } from '../../lib/balancer/group.ts'
import { METHODS, methodOf, requestOf, seeded } from './methods.ts'

export interface SlowServer {
  readonly method: string
  /** Milliseconds. */
  readonly median: number
  readonly p99: number
  /** Share of the requests that the slow server got; even would be a tenth. */
  readonly share: number
}

interface Ending {
  readonly at: number
  readonly end: () => void
}

/** The exchanges that run, by the time of their end: a binary heap. */
class Endings {
  readonly #heap: Ending[] = []

  get next (): Ending | undefined {
    return this.#heap[0]
  }

  push (ending: Ending): void {
    const heap = this.#heap
    let index = heap.push(ending) - 1
    while (index > 0) {
      const parent = index - 1 >> 1
      const above = heap[parent]
      if (above === undefined || above.at <= ending.at) break
      heap[index] = above
      index = parent
    }
    heap[index] = ending
  }

  pop (): Ending | undefined {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      const right = heap[child + 1]
      const left = heap[child]
      if (left === undefined) break
      const lower = right !== undefined && right.at < left.at ? right : left
      if (lower === right) child += 1
      if (lower.at >= last.at) break
      heap[index] = lower
      index = child
    }
    heap[index] = last
    return first
  }
}

/**
 * Requests arrive by chance, one in 5 ms on average, and take 50 ms on average (exponentially distributed), ten times as long on one
 * server of ten. Servers take any number at a time.
 */
export function slowServer (requests: number, seed = 1): SlowServer[] {
  return Object.keys(METHODS).map(method => {
    const chance = seeded(seed)
    const exponential = (mean: number): number => -Math.log(1 - chance()) * mean
    let now = 0
    const peers = Array.from({ length: 10 }, (_, target) => ({ name: `10.0.0.${target + 1}:4000`, target }))
    const group = new Group<number>({ name: method, peers, method: methodOf(method, seed), now: () => now })
    const endings = new Endings()
    const times = new Float64Array(requests)
    let slow = 0
    for (let request = 0; request < requests; request++) {
      const arrival = now + exponential(5)
      for (let ending = endings.next; ending !== undefined && ending.at <= arrival; ending = endings.next) {
        now = ending.at
        endings.pop()
        ending.end()
      }
      now = arrival
      const selection = group.begin(requestOf(Math.floor(chance() * 2 ** 24)))
      const peer = selection.next()
      if (peer === undefined) throw new Error('no live upstreams')
      const taken = exponential(peer.target === 0 ? 500 : 50)
      times[request] = taken
      if (peer.target === 0) slow += 1
      endings.push({
        at: now + taken,
        end: () => selection.release(peer, 'ok', { headerTime: taken * 0.9, responseTime: taken, bytesSent: 500, bytesReceived: 5000 }),
      })
    }
    times.sort()
    return { method, median: times[requests >> 1] ?? NaN, p99: times[Math.floor(requests * 0.99)] ?? NaN, share: slow / requests }
  })
}
