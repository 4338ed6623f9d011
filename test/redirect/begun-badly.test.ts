// A stream whose reply cannot be begun: its error page answers, also where somebody else wants the reply.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi, { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { eventually, get } from '../gateway/kit.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

const fail = (): never => { throw new Error('no luck') }

const FAILURES: Record<string, Partial<FastifyScgiOptions>> = {
  'onResponse throws': { onResponse: fail },
  'onResponse rejects': { onResponse: async () => fail() },
  'rewriteHeaders throws': { rewriteHeaders: fail },
  'clientLimitRate throws': { clientLimitRate: fail },
}

test('whoever wants the reply, and whatever fails', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({
    answer: async exchange => {
      await exchange.write('Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n\r\nbegun')
      await exchange.closed
    },
  })
  const wanted: Record<string, () => Partial<FastifyScgiOptions>> = {
    nobody: () => ({}),
    'the application itself': () => ({ ignoreClientAbort: true }),
    'the cache': () => ({ cache: { zone: createCache({ name: 'begun badly' }) } }),
    'the store': () => ({ store: { root: dir.path } }),
  }
  for (const [who, wants] of Object.entries(wanted)) {
    for (const [what, fails] of Object.entries(FAILURES)) {
      await using gateway = await startGateway(app => {
        app.get('/sorry', async () => 'sorry')
        app.register(scgi, { prefix: '/app', upstreams: recorder.address, errorPages: { 500: '/sorry' }, ...wants(), ...fails })
      })
      const response = await rawRequest(gateway, get('/app/x')).catch(String)
      assert.equal(typeof response === 'string' ? response : `${response.statusCode} ${response.body.toString()}`, '500 sorry', `${who}: ${what}`)
      await eventually(() => recorder.open === 0, 'the application is told')
    }
  }
})
