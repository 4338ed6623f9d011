import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { RowError, assertOutcome, checkRow, expected } from './compare.ts'
import { play, received, sendRequest } from './observe.ts'
import { reply } from './row.ts'
import type { Answer, Exchange, RecordedRequest } from '../../helpers/recorder.ts'
import type { Peer } from './peer.ts'
import type { Outcome, Row } from './row.ts'

/** One request of a sequence, and what comes of it. What a row says of nginx it may say as well. */
export interface Step {
  /** Exact bytes; the first `*` in it stands for a path that no other sequence has. */
  request: string
  /** What the application answers now. Without it it is not to be asked. */
  answer?: Answer | Answer[]
  /** Default: 200 OK, and as many attempts as there are answers. */
  expect: Partial<Outcome>
  nginx?: Row['nginx']
  /** Milliseconds to wait before it. */
  wait?: number
  /** The reply is there before the application has been asked: that is waited for afterwards. */
  background?: true
  /** What happens while the application still has the request, from first to last. */
  meanwhile?: Step[]
  /** Requests that are sent while the application still has this one, and are answered after it. */
  behind?: Step[]
}

/** What a file below `Peer.stored` holds after the steps before; `undefined` is none. */
export interface FileStep {
  /** The first `*` as in requests. */
  file: string
  content: string | undefined
  /** Its modification time, where that is not now; its rights. */
  mtime?: Date
  mode?: number
  /** What nginx has there. */
  nginx?: { why: string, content: string | undefined }
}

/** Requests one after another, and what the application answers to each. */
export interface Sequence {
  name: string
  steps: (Step | FileStep)[]
}

/** Longer than a lifetime of one second where lifetimes are whole seconds. */
export const EXPIRES = 2100
/** Long enough to do what was to be done. */
const SETTLES = 100
/** So long a request may be on its way. */
const LATEST = 5000

/** What the application does for the steps that are under way. */
interface Scene {
  requests: RecordedRequest[]
  exchanges: Exchange[]
  answer: Answer | Answer[]
  /** Called with each request that arrives, before it is answered. */
  arrived: () => void
  /** What the answer waits for. */
  gate: Promise<void>
}

/** Every difference that a sequence writes down must be one. */
export function checkSequence ({ steps }: Sequence): void {
  for (const step of steps) {
    if ('file' in step) {
      if (step.nginx?.content === step.content && step.nginx !== undefined) throw new RowError(`written as a difference, and the same: ${step.nginx.why}`)
      continue
    }
    checkRow(rowOf(step))
    checkSequence({ name: '', steps: [...step.meanwhile ?? [], ...step.behind ?? []] })
  }
}

function rowOf ({ answer, expect, nginx }: Step): Row {
  const attempts = answer === undefined ? 0 : Array.isArray(answer) ? answer.length : 1
  const row: Row = { name: '', request: '', answer: '', expect: { attempts, ...expect } }
  if (nginx !== undefined) row.nginx = nginx
  return row
}

/** Plays sequences side by side in front of one peer. */
export class Player {
  readonly #peer: Peer
  readonly #scenes = new Map<string, Scene>()
  #last = 0

  constructor (peer: Peer) {
    this.#peer = peer
    peer.recorder.answer = async (exchange) => {
      const scene = this.#scenes.get(exchange.request.param('HTTP_X_STEP') ?? '')
      if (scene === undefined) throw new Error(`a request of no step: ${exchange.request.param('REQUEST_URI')}`)
      const index = scene.requests.push(exchange.request) - 1
      scene.exchanges.push(exchange)
      scene.arrived()
      await scene.gate
      await play(scene.answer, exchange, index, peer.files)
    }
  }

  async play (sequence: Sequence): Promise<void> {
    const path = `p${++this.#last}`
    for (const [index, step] of sequence.steps.entries()) {
      try {
        if ('file' in step) await this.#look(step, path)
        else await this.#act(step, path, `${path}-${index}`)
      } catch (error) {
        if (error instanceof Error) error.message = `step ${index + 1}: ${error.message}`
        throw error
      }
    }
  }

  async #act (step: Step, path: string, id: string): Promise<void> {
    if (step.wait !== undefined) await pause(step.wait)
    const { promise: gate, resolve: open } = later()
    const { promise: begun, resolve: arrived } = later()
    const scene: Scene = {
      requests: [],
      exchanges: [],
      answer: step.answer ?? reply(['Status: 599 Nobody asked you', 'X-Accel-Expires: 0'], 'not expected'),
      arrived,
      gate: step.meanwhile === undefined && step.behind === undefined ? Promise.resolve() : gate,
    }
    this.#scenes.set(id, scene)
    const want = expected(rowOf(step), this.#peer)
    if ('skip' in want) return

    const line = step.request.replace('*', path).replace('\r\n', `\r\nX-Step: ${id}\r\n`)
    const response = sendRequest(this.#peer.target, line)
    response.catch(() => {}) // it is awaited later
    const behind: Promise<void>[] = []
    try {
      if (step.meanwhile !== undefined || step.behind !== undefined) await begun
      for (const [index, inner] of (step.meanwhile ?? []).entries()) await this.#act(inner, path, `${id}-${index}`)
      for (const [index, inner] of (step.behind ?? []).entries()) behind.push(this.#act(inner, path, `${id}-b${index}`))
      // They wait for what comes, and nobody tells when they do.
      if (behind.length > 0) await pause(SETTLES)
    } finally {
      open()
    }
    const seen = await response
    if (step.background) await begun
    // A gateway that gives up may have done so before its request was seen here.
    else if (want.said.attempts > 0 && scene.requests.length === 0) await Promise.race([begun, pause(LATEST)])
    await Promise.all(scene.exchanges.map(({ closed }) => closed))
    if (step.background) await pause(SETTLES)
    assertOutcome({ ...seen, ...received(scene.requests, Object.keys(want.said.params)) }, want)
    await Promise.all(behind)
  }

  async #look (step: FileStep, id: string): Promise<void> {
    const { nginx } = step
    const content = this.#peer.name === 'nginx' && nginx !== undefined ? nginx.content : step.content
    const want = JSON.stringify({ ...step, content })
    const look = (): FileStep => {
      const path = `${this.#peer.stored}/${step.file.replace('*', id)}`
      if (!existsSync(path)) return { ...step, content: undefined }
      const { mtime, mode } = statSync(path)
      const seen: FileStep = { ...step, content: readFileSync(path, 'latin1') }
      if (step.mtime !== undefined) seen.mtime = mtime
      if (step.mode !== undefined) seen.mode = mode & 0o777
      return seen
    }
    // It gets there with or after the last bytes of the reply. What is not to come is waited for as well.
    if (content === undefined) await pause(SETTLES)
    for (let i = 0; i < 20 && JSON.stringify(look()) !== want; i++) await pause(SETTLES)
    assert.deepEqual(look(), { ...step, content })
  }
}

function pause (milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function later (): { promise: Promise<void>, resolve: () => void } {
  let settle = (): void => {}
  const promise = new Promise<void>((resolve) => { settle = resolve })
  return { promise, resolve: settle }
}
