import { once } from 'node:events'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { createScgiServer } from '../../lib/server/index.ts'
import { assertNoGrowth } from '../helpers/resources.ts'
import { encode, header, listen, TRANSPORTS } from './scgi-client.ts'
import type { Client } from './scgi-client.ts'

/** How far a gateway gets before it vanishes. */
const PHASES: Readonly<Record<string, (client: Client) => Promise<void> | void>> = {
  'before a byte': () => {},
  'in the parameters': (client) => { client.write(encode().subarray(0, 20)) },
  'in the request body': (client) => { client.write(encode({ CONTENT_LENGTH: '100000', REQUEST_URI: '/echo' }, 'a part')) },
  'before the reply': (client) => { client.write(encode({ REQUEST_URI: '/never' })) },
  'in the reply': async (client) => {
    client.write(encode({ REQUEST_URI: '/endless' }))
    await client.until((received) => received.length > 100)
  },
  'on a kept connection': async (client) => {
    client.write(encode({ SCGI_KEEPALIVE: '1', REQUEST_URI: '/short' }))
    if (header(await client.next(), 'SCGI-Keepalive') !== '1') throw new Error('not kept')
  },
  'with a request pipelined': (client) => {
    const bytes = encode({ SCGI_KEEPALIVE: '1', REQUEST_URI: '/short' })
    client.write(Buffer.concat([bytes, bytes, bytes.subarray(0, 30)]))
  },
}

for (const transport of TRANSPORTS) {
  for (const [phase, play] of Object.entries(PHASES)) {
    test(`a gateway that vanishes ${phase} leaves nothing behind (${transport})`, async () => {
      const server = createScgiServer((req, res) => {
        if (req.url === '/echo') req.pipe(res)
        else if (req.url === '/short') res.end('ok')
        else if (req.url === '/endless') {
          const source = Readable.from((function * () { for (;;) yield Buffer.alloc(16384) })())
          res.on('close', () => source.destroy())
          source.pipe(res)
        }
      })
      await using listener = await listen(server, transport)
      let reset = false
      await assertNoGrowth(async () => {
        const accepted = once(server, 'connection')
        const client = await listener.connect()
        await accepted
        await play(client)
        if (reset && transport === 'tcp') client.socket.resetAndDestroy()
        else client.socket.destroy()
        reset = !reset
        await client.closed
        await listener.deserted()
      }, { rounds: 100 })
    })
  }
}
