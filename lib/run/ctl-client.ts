import { request } from 'node:http'
import { userInfo } from 'node:os'
import { codeOf } from '../runtime/caught.ts'
import { isRecord } from '../options/checks.ts'
import { StartError } from './errors.ts'

/** How long an answer may take; a disk cache of many entries takes its time to be purged. */
const TIMEOUT = 60_000

/** The API of a gateway that runs on this machine, over its own socket. */
export class ControlClient {
  readonly #socketPath: string
  /** Workers that the latest answer is without, and which have not done what was asked; `undefined` where there are no others. */
  missing: unknown

  constructor (socketPath: string) {
    this.#socketPath = socketPath
  }

  /** @throws StartError for a gateway that is not there, and for what it refuses */
  async call (method: string, path: string, body?: object, ifMatch?: string): Promise<Record<string, unknown>> {
    const { status, text } = await this.#send(method, path, body, ifMatch)
    let answer: unknown
    try {
      answer = JSON.parse(text)
    } catch {
      throw new StartError(`what listens at ${this.#socketPath} is no gateway`)
    }
    if (!isRecord(answer)) throw new StartError(`what listens at ${this.#socketPath} is no gateway`)
    if (status >= 400) throw new StartError(String(answer['message']))
    this.missing = answer['missing']
    return answer
  }

  #send (method: string, path: string, body: object | undefined, ifMatch: string | undefined): Promise<{ status: number, text: string }> {
    return new Promise((resolve, reject) => {
      const call = request({
        socketPath: this.#socketPath,
        method,
        path: `/api${path}`,
        agent: false,
        timeout: TIMEOUT,
        headers: {
          host: 'localhost',
          'x-gateway-operator': operator(),
          ...(ifMatch === undefined ? undefined : { 'if-match': ifMatch }),
          ...(body === undefined ? undefined : { 'content-type': 'application/json' }),
        },
      }, response => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => { text += chunk })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
        response.on('error', fail)
      })
      const fail = (error: Error): void => reject(new StartError(explain(this.#socketPath, error)))
      call.on('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT / 1000} s`)))
      call.on('error', fail)
      call.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

function explain (path: string, error: Error): string {
  const reasons: Record<string, string> = {
    ENOENT: "there is no such socket: does the gateway run, and is it the path of the option 'socket' of its admin?",
    ECONNREFUSED: 'nobody listens there: the gateway that made it has died',
    EACCES: 'it belongs to another user',
    EPERM: 'it belongs to another user',
    ENOTSOCK: 'it is no socket',
  }
  return `cannot reach the gateway at ${path}: ${reasons[codeOf(error)] ?? error.message}`
}

/** For the gateway's log. */
function operator (): string {
  try {
    return userInfo().username.replace(/[^\w.@-]/g, '_').slice(0, 64)
  } catch {
    // A user without a name.
    return String(process.getuid?.() ?? '')
  }
}
