// Where connections come in, whichever of them asks, and however often.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type ListenOptions, type NetConnectOpts, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { serverEnd } from '../../lib/http/server-end.ts'

async function listening (options: ListenOptions): Promise<Server> {
  const server = createServer().listen(options)
  await once(server, 'listening')
  return server
}

async function accepted (server: Server, options: NetConnectOpts): Promise<[client: Socket, socket: Socket]> {
  const [client, [socket]] = [connect(options), await once(server, 'connection')]
  return [client, socket]
}

test('each connection has the address and the port at which it came in, also those that follow one another at several', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'server-end-'))
  const path = join(directory, 's')
  const servers = [await listening({ host: '0.0.0.0', port: 0 }), await listening({ host: '::ffff:127.0.0.1', port: 0 }), await listening({ path })]
  const open: Socket[] = []
  t.after(async () => {
    for (const socket of open) socket.destroy()
    for (const server of servers) server.close()
    await rm(directory, { recursive: true })
  })
  const portOf = (server: Server): number => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }
  const [any, mapped, unix] = servers
  assert.ok(any !== undefined && mapped !== undefined && unix !== undefined)
  const ways = [
    { server: any, options: { host: '127.0.0.1', port: portOf(any) }, address: '127.0.0.1', port: portOf(any) },
    { server: any, options: { host: '127.0.0.2', port: portOf(any) }, address: '127.0.0.2', port: portOf(any) },
    { server: mapped, options: { host: '127.0.0.1', port: portOf(mapped) }, address: '127.0.0.1', port: portOf(mapped) },
    { server: unix, options: { path }, address: '', port: '' },
  ]
  const sockets: Socket[] = []
  for (const { server, options } of ways) {
    const [client, socket] = await accepted(server, options)
    open.push(client, socket)
    sockets.push(socket)
  }
  for (let round = 0; round < 2; round++) {
    for (const [index, { address, port }] of ways.entries()) {
      const socket = sockets[index]
      assert.ok(socket !== undefined)
      assert.deepEqual(serverEnd(socket), { address, port })
    }
  }
})
