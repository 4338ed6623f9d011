import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { isRecord } from '../options/checks.ts'
import { codeOf, toError } from '../runtime/caught.ts'
import { StartError } from './errors.ts'
import type { Owned } from './owned.ts'

/** Longest question, in bytes. */
const MAX_QUESTION = 1024

/** What a gateway that runs by a file can be asked. */
export interface Answers {
  /** Rejects with what is wrong. */
  reload (): Promise<void>
  /** Keys of the places where it listens. */
  places (): string[]
}

/**
 * The socket by which those who know the configuration file, and are the same user, find the gateway that runs by it.
 */
export class Control implements Owned {
  readonly #server: Server
  readonly #path: string
  readonly #open = new Set<Socket>()

  private constructor (server: Server, path: string) {
    this.#server = server
    this.#path = path
  }

  /** @throws Error where there is no place for it, or another gateway runs by the same file */
  static async open (file: string, answers: Answers): Promise<Control> {
    const path = pathOf(file, true)
    if (await reaches(path)) throw new Error('another gateway runs by the same file')
    remove(path)
    const server = createServer()
    const control = new Control(server, path)
    server.on('connection', socket => control.#hear(socket, answers))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    return control
  }

  async close (): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  kill (): void {
    remove(this.#path)
  }

  #hear (socket: Socket, answers: Answers): void {
    let question = ''
    this.#open.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#open.delete(socket))
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      question += text
      if (question.length > MAX_QUESTION) socket.destroy()
      else if (question.endsWith('\n')) answer(question.trim(), answers).then(reply => socket.end(`${JSON.stringify(reply)}\n`), () => socket.destroy())
    })
  }
}

async function answer (question: string, answers: Answers): Promise<object> {
  if (question === 'places') return { places: answers.places(), pid: process.pid }
  if (question !== 'reload') return { error: 'unknown question' }
  try {
    await answers.reload()
    return { pid: process.pid }
  } catch (error) {
    return { error: toError(error).message }
  }
}

/**
 * Asks the gateway that runs by a file.
 * @returns its answer; `undefined` if none runs
 */
export async function ask (file: string, question: 'reload' | 'places'): Promise<Record<string, unknown> | undefined> {
  let path
  try {
    path = pathOf(file, false)
  } catch {
    return undefined
  }
  return await new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(path)
    socket.setEncoding('utf8')
    socket.once('connect', () => socket.write(`${question}\n`))
    socket.on('data', (piece: string) => { text += piece })
    socket.once('error', error => {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ECONNREFUSED') resolve(undefined)
      else reject(error)
    })
    socket.once('end', () => {
      try {
        const reply: unknown = JSON.parse(text)
        resolve(isRecord(reply) ? reply : undefined)
      } catch {
        reject(new StartError('the gateway ended before it answered'))
      }
    })
  })
}

/** Keys of the places where the gateway that runs by this file listens; none where none runs. */
export async function askRunning (file: string): Promise<string[]> {
  const reply = await ask(file, 'places').catch(() => undefined)
  return Array.isArray(reply?.places) ? reply.places.map(String) : []
}

function reaches (path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/**
 * The place for one file, in a directory that belongs to this user alone.
 * @throws Error where the directory is somebody else's
 */
function pathOf (file: string, make: boolean): string {
  const user = process.getuid?.() ?? 0
  const directory = join(tmpdir(), `fastify-scgi-${user}`)
  if (make) mkdirSync(directory, { recursive: true, mode: 0o700 })
  const stat = lstatSync(directory)
  if (!stat.isDirectory() || stat.uid !== user || (stat.mode & 0o077) !== 0) throw new Error(`${directory} is not a directory of this user alone`)
  return join(directory, `${createHash('sha256').update(resolve(file)).digest('hex').slice(0, 16)}.sock`)
}

function remove (path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // There is none.
  }
}
