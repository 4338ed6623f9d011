import assert from 'node:assert/strict'
import { after, before, describe, it, test } from 'node:test'
import { NGINX } from '../helpers/nginx.ts'
import { missingPackage } from '../helpers/packages.ts'
import { tempDir } from '../helpers/temp.ts'
import type { Peer } from './parity/peer.ts'
import { startGatewayPeer } from './parity/peer-gateway.ts'
import { startNginxPeer } from './parity/peer-nginx.ts'
import { conditionSequences } from './parity/rows-cache-condition.ts'
import { errorSequences } from './parity/rows-cache-error.ts'
import { keySequences } from './parity/rows-cache-key.ts'
import { lifetimeSequences } from './parity/rows-cache-lifetime.ts'
import { rangeSequences } from './parity/rows-cache-range.ts'
import { staleSequences } from './parity/rows-cache-stale.ts'
import { storeSequences } from './parity/rows-store.ts'
import { Player, checkSequence } from './parity/sequence.ts'
import type { Sequence } from './parity/sequence.ts'

// What is kept shows with the next request: sequences of requests and of what the application answers, played to this gateway and to
// nginx. They tell the same of both, where no step says otherwise. Each has a path of its own, and they are played side by side: most
// of their time is waiting for something to expire.

const table: Record<string, Sequence[]> = {
  lifetime: lifetimeSequences,
  key: keySequences,
  stale: staleSequences,
  conditions: conditionSequences,
  ranges: rangeSequences,
  'errors and locks': errorSequences,
  store: storeSequences,
}

const peers = [
  { name: 'gateway, in memory', start: () => startGatewayPeer(), missing: false },
  { name: 'gateway, on disk', start: startOnDisk, missing: false },
  { name: 'nginx', start: startNginxPeer, missing: missingPackage('nginx', NGINX) },
] as const

test('the sequences write down no difference that is none, and no name twice', () => {
  for (const [subject, sequences] of Object.entries(table)) {
    sequences.forEach(checkSequence)
    const names = sequences.map((sequence) => sequence.name)
    assert.deepEqual(names, [...new Set(names)], subject)
  }
})

describe('parity of what is kept', { concurrency: peers.length }, () => {
  for (const { name, start, missing } of peers) {
    describe(name, { skip: missing, concurrency: 40 }, () => {
      let peer: Peer | undefined
      let player: Player | undefined
      before(async () => {
        peer = await start()
        player = new Player(peer)
      })
      after(async () => {
        await peer?.[Symbol.asyncDispose]()
      })

      for (const [subject, sequences] of Object.entries(table)) {
        for (const sequence of sequences) {
          it(`${subject}: ${sequence.name}`, async () => {
            if (peer === undefined || player === undefined) return assert.fail(`${name} did not start`)
            try {
              await player.play(sequence)
            } catch (error) {
              if (error instanceof Error) error.message += `\n--- logs of ${name}\n${peer.logs().slice(-2000)}`
              throw error
            }
          })
        }
      }
    })
  }
})

async function startOnDisk (): Promise<Peer> {
  const dir = await tempDir()
  const peer = await startGatewayPeer(dir.file('cache'))
  return {
    ...peer,
    async [Symbol.asyncDispose] () {
      await peer[Symbol.asyncDispose]()
      await dir.remove()
    },
  }
}
