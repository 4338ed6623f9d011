import { once } from 'node:events'
import { Agent, request as ask, type IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import type { Job } from './job.ts'

const patience = 10_000
const pause = 5

/** Waits until a port accepts connections; rejects after ten seconds. */
export async function waitForPort (port: number, name: string): Promise<void> {
  const begun = Date.now()
  while (Date.now() - begun < patience) {
    const socket = connect({ host: '127.0.0.1', port })
    try {
      await once(socket, 'connect')
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, pause))
    } finally {
      socket.destroy()
    }
  }
  throw new Error(`${name} does not listen on port ${port}`)
}

interface Seen {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: Buffer
  /** Bytes that the reply took. */
  readonly bytes: number
}

async function askOnce (port: number, { path, post }: Job): Promise<Seen> {
  const agent = new Agent({ keepAlive: true })
  try {
    const request = ask({ host: '127.0.0.1', port, path, agent, method: post === undefined ? 'GET' : 'POST' })
    request.end(post === undefined ? undefined : 'x'.repeat(post))
    const [response]: IncomingMessage[] = await once(request, 'response')
    if (response === undefined) throw new Error(`no reply to ${path}`)
    const socket = response.socket // the agent takes it back at the end
    const body = Buffer.concat(await response.toArray())
    return { status: response.statusCode ?? 0, headers: response.headers, body, bytes: socket.bytesRead }
  } finally {
    agent.destroy()
  }
}

async function askHttp2 (port: number, { path }: Job): Promise<Seen> {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  try {
    const stream = session.request({ ':path': path })
    const [{ ':status': status = 0, ...headers }] = await once(stream, 'response')
    const body = Buffer.concat(await stream.toArray())
    return { status, headers, body, bytes: body.length }
  } finally {
    session.destroy()
  }
}

/**
 * Asks a peer for one reply and compares it with what it must be: status, every byte of the body, the header lines.
 * Returns the bytes that the reply takes on a keep-alive connection.
 */
export async function checkReply (port: number, job: Job, name: string): Promise<number> {
  const { path, reply } = job
  const { status, headers, body, bytes } = await (job.http2 === true ? askHttp2 : askOnce)(port, job)
  if (status !== 200) throw new Error(`${name}: status ${status} for ${path}: ${body.toString('latin1', 0, 300)}`)
  if (!body.equals(reply.body)) throw new Error(`${name}: ${body.length} bytes for ${path} are not the ${reply.body.length} that were to come`)
  for (const [header] of reply.headers) {
    if (header !== 'Content-Length' && headers[header.toLowerCase()] === undefined) throw new Error(`${name}: ${header} is missing from ${path}`)
  }
  return bytes
}
