import assert from 'node:assert/strict'
import { after, before, describe, it, test } from 'node:test'
import { APACHE } from '../helpers/apache.ts'
import { NGINX } from '../helpers/nginx.ts'
import { missingPackage } from '../helpers/packages.ts'
import { assertOutcome, checkRow, expected } from './parity/compare.ts'
import { observe } from './parity/observe.ts'
import { startApachePeer } from './parity/peer-apache.ts'
import { startGatewayPeer } from './parity/peer-gateway.ts'
import type { Peer } from './parity/peer.ts'
import { startNginxPeer } from './parity/peer-nginx.ts'
import { NOT_CONCERNED } from './parity/row.ts'
import { table } from './parity/rows.ts'

// One table of raw requests and application answers, sent through this gateway, nginx and Apache. A row says what this gateway
// does, and where another one differs and why. Every gateway must do exactly what is said of it.

const peers = [
  { name: 'gateway', start: startGatewayPeer, missing: false },
  { name: 'nginx', start: startNginxPeer, missing: missingPackage('nginx', NGINX) },
  { name: 'apache', start: startApachePeer, missing: missingPackage('apache2', APACHE) },
] as const

test('the table writes down no difference that is none, and no name twice', () => {
  for (const [subject, rows] of Object.entries(table)) {
    rows.forEach(checkRow)
    const names = rows.map((row) => row.name)
    assert.deepEqual(names, [...new Set(names)], subject)
  }
})

describe('parity', { concurrency: true }, () => {
  for (const { name, start, missing } of peers) {
    describe(name, { skip: missing, concurrency: 1 }, () => {
      let started: Peer | undefined
      before(async () => { started = await start() })
      after(() => started?.[Symbol.asyncDispose]())

      for (const [subject, rows] of Object.entries(table)) {
        for (const row of rows) {
          if (name !== 'gateway' && row[name] === NOT_CONCERNED) continue
          it(`${subject}: ${row.name}`, async (t) => {
            const peer = started
            if (peer === undefined) return assert.fail(`${name} did not start`)
            const want = expected(row, peer)
            if ('skip' in want) return t.skip(want.skip)
            const seen = await observe(peer, row, Object.keys(want.said.params))
            try {
              assertOutcome(seen, want)
              assert.deepEqual(peer.recorder.errors.splice(0), [], 'what the application could not make sense of')
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
