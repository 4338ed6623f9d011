import { outside } from '../runtime/context.ts'
import { patiently } from '../runtime/patience.ts'
import type { RedisClient } from './client.ts'
import type { Script } from './script.ts'
import type { Timers } from '../runtime/timers.ts'

export interface GuardOptions {
  readonly client: RedisClient
  /** The client is ours: its connection may be given up. */
  readonly owned: boolean
  /** Milliseconds that a command may take. */
  readonly timeout: number
  readonly onWarning: (error: Error) => void
  /** Makes an error of the reason. */
  readonly failure: (reason: string) => Error
  /** What holds until the server answers again, for the warning. */
  readonly meanwhile: string
}

/** Commands without an answer, and the bytes in them; more are not sent. */
const MAX_PENDING = 1000
const MAX_PENDING_BYTES = 32 * 1024 * 1024
/** After a failure nothing is sent for so long, in milliseconds; then one PING, and so on until it is answered. */
const PAUSE = 1000
/** After so many pauses without an answer another connection is tried. */
const RECONNECT = 10

type Argument = string | Buffer | number

const clock: Pick<Timers, 'after'> = {
  after (milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds)
    return () => clearTimeout(timer)
  },
}

/**
 * Stands between whoever uses it and a server that may be gone, slow or frozen: no command takes longer than `timeout`, and after the first one
 * that failed none is sent until the server answers again. One warning for each time.
 */
export class Guard {
  readonly #options: GuardOptions
  #pending = 0
  #pendingBytes = 0
  /** Answers so far. */
  #answered = 0
  #isOpen = true
  #timer: NodeJS.Timeout | undefined
  #probes = 0
  #starting: Promise<void> | undefined
  /** What the server has refused, until it takes the same again. */
  readonly #refused = new Set<Script>()
  readonly #onError = (error: Error): void => this.#lose(error.message)

  constructor (options: GuardOptions) {
    this.#options = options
    const { client } = options
    client.on('error', this.#onError)
    if (client.status === 'ready') return
    this.#starting = new Promise<void>(resolve => {
      client.once('ready', resolve)
      client.once('close', resolve)
    }).then(() => { this.#starting = undefined })
  }

  /** False if nothing would be sent. */
  get isAvailable (): boolean {
    return this.#isOpen && this.#pending < MAX_PENDING && this.#pendingBytes < MAX_PENDING_BYTES
  }

  /** @throws what `failure` makes */
  async run (script: Script, key: string, ...args: Argument[]): Promise<unknown> {
    try {
      const answer = await this.#within(this.#evaluate(script, [1, key, ...args]))
      this.#refused.delete(script)
      return answer
    } catch (error) {
      if (!isReplyError(error)) throw error
      const failure = this.#failed(error.message, error)
      if (!this.#refused.has(script)) this.#options.onWarning(failure)
      this.#refused.add(script)
      throw failure
    }
  }

  /** @throws what `failure` makes */
  command (name: string, ...args: Argument[]): Promise<unknown> {
    return this.#within(this.#send(name, args))
  }

  close (): void {
    clearTimeout(this.#timer)
    this.#isOpen = false
    if (this.#options.owned) this.#options.client.disconnect()
    else this.#options.client.off('error', this.#onError)
  }

  async #evaluate (script: Script, args: Argument[]): Promise<unknown> {
    try {
      return await this.#send('EVALSHA', [script.sha, ...args])
    } catch (error) {
      if (!isReplyError(error) || !error.message.startsWith('NOSCRIPT')) throw error
      return this.#send('EVAL', [script.text, ...args])
    }
  }

  async #send (command: string, args: Argument[]): Promise<unknown> {
    const { client } = this.#options
    if (this.#starting !== undefined) await this.#starting
    if (!this.isAvailable) throw this.#failed('Redis does not answer')
    if (client.status !== 'ready') {
      this.#lose(`not connected (${client.status})`)
      throw this.#failed('Redis is not connected')
    }
    let bytes = 0
    for (const arg of args) if (Buffer.isBuffer(arg)) bytes += arg.length
    this.#pending++
    this.#pendingBytes += bytes
    try {
      const answer = await client.callBuffer(command, ...args)
      this.#answered++
      return answer
    } catch (error) {
      if (isReplyError(error)) {
        this.#answered++
        throw error
      }
      this.#lose(messageOf(error))
      throw this.#failed(messageOf(error), error)
    } finally {
      this.#pending--
      this.#pendingBytes -= bytes
    }
  }

  #within (work: Promise<unknown>): Promise<unknown> {
    const { timeout } = this.#options
    const before = this.#answered
    return new Promise((resolve, reject) => {
      const cancel = patiently(clock, timeout, () => {
        // One that has answered others meanwhile has only been asked too much at once.
        if (this.#answered === before) this.#lose(`no answer within ${timeout} ms`)
        reject(this.#failed(`no answer within ${timeout} ms`))
      })
      work.then(resolve, reject).finally(cancel)
    })
  }

  /** Nothing is sent from now on, until a PING is answered. */
  #lose (reason: string): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    const { client, owned, onWarning, meanwhile } = this.#options
    // What waits for an answer would wait for ever, and so would the bytes that the server has not read.
    if (owned && client.status === 'ready') client.disconnect(true)
    this.#probeLater()
    onWarning(this.#failed(`${reason}; until Redis answers again ${meanwhile}`))
  }

  #probeLater (): void {
    this.#timer = outside(() => setTimeout(() => { void this.#probe() }, PAUSE).unref())
  }

  async #probe (): Promise<void> {
    if (await this.#answers()) this.#isOpen = true
    else this.#probeLater()
  }

  #failed (reason: string, cause?: unknown): Error {
    const error = this.#options.failure(`Redis: ${reason}`)
    if (cause !== undefined) error.cause = cause
    return error
  }

  async #answers (): Promise<boolean> {
    const { client, owned, timeout } = this.#options
    // A new connection gets no answer to its first question either; one that was cut in between never will.
    if (owned && client.status === 'connect' && ++this.#probes % RECONNECT === 0) client.disconnect(true)
    // One at a time, however long the server is frozen.
    if (client.status !== 'ready' || this.#pending > 0) return false
    this.#pending++
    const answer = client.callBuffer('PING').then(() => true, () => false).finally(() => { this.#pending-- })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>(resolve => { timer = setTimeout(resolve, timeout, false) })
    return Promise.race([answer, late]).finally(() => clearTimeout(timer))
  }
}

/** The server has answered, though not what was hoped for. */
function isReplyError (error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
