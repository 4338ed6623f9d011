import { once } from 'node:events'
import { Agent, request as ask, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Job } from './job.ts'

/** Waits until a port accepts connections; rejects after five seconds. */
export async function waitForPort (port: number, name: string): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    const socket = connect({ host: '127.0.0.1', port })
    try {
      await once(socket, 'connect')
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    } finally {
      socket.destroy()
    }
  }
  throw new Error(`${name} does not listen on port ${port}`)
}

/**
 * Asks a peer for one reply and compares it with what it must be: status, every byte of the body, the header lines.
 * Returns the bytes that the reply takes on a keep-alive connection.
 */
export async function checkReply (port: number, { path, reply, post }: Job, name: string): Promise<number> {
  const agent = new Agent({ keepAlive: true })
  try {
    const request = ask({ host: '127.0.0.1', port, path, agent, method: post === undefined ? 'GET' : 'POST' })
    request.end(post === undefined ? undefined : 'x'.repeat(post))
    const [response]: IncomingMessage[] = await once(request, 'response')
    if (response === undefined) throw new Error(`${name}: no reply to ${path}`)
    const socket = response.socket // the agent takes it back at the end
    const body = Buffer.concat(await response.toArray())
    if (response.statusCode !== 200) throw new Error(`${name}: status ${response.statusCode} for ${path}: ${body.toString('latin1', 0, 300)}`)
    if (!body.equals(reply.body)) throw new Error(`${name}: ${body.length} bytes for ${path} are not the ${reply.body.length} that were to come`)
    for (const [header] of reply.headers) {
      if (header !== 'Content-Length' && response.headers[header.toLowerCase()] === undefined) throw new Error(`${name}: ${header} is missing from ${path}`)
    }
    return socket.bytesRead
  } finally {
    agent.destroy()
  }
}
