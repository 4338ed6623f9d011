import type { Answer } from '../../helpers/recorder.ts'

/** Values of headers or parameters by name; an array where there are several lines, undefined where there is none. */
export type Values = Record<string, string | string[] | undefined>

/** What a client sees of one request, and what the application received: made comparable, see observe.ts. */
export interface Outcome {
  /** 0: what came was no response, or nothing did; nothing more is said of it then. */
  status: number
  /** Reason phrase. Empty where the gateway made the response itself. */
  reason: string
  /** Lower-case names. Empty where the gateway made the response itself. */
  headers: Values
  /** Bytes as latin1 text; `GATEWAY` where the gateway made the response itself. */
  body: string
  /** The connection ended before the body was complete. */
  cut: boolean
  /** Statuses of the 1xx responses before it. */
  informational: number[]
  /** Requests that reached the application. */
  attempts: number
  /** Parameters that the application received with the last attempt. */
  params: Values
  /** Body that the application received with the last attempt. */
  sent: string
}

/** The body of a response that the gateway made itself: pages differ, and their texts are nobody's contract. */
export const GATEWAY = '(the gateway\'s own page)'

/** What another gateway does differently: the fields that differ, as they are there. `headers` and `params` name only the values that differ. */
export interface Difference extends Partial<Outcome> {
  /** Why that is right, or wanted. */
  why: string
  /** Fields (`body`, `headers.content-length`) that depend on chance there, and are not compared. */
  chance?: string[]
  /** Only in versions before this one. */
  before?: string
  /** Only from this version on. */
  since?: string
  /** With `before`: where exactly it changed is not known. Rows are skipped in versions after this one and before that. */
  knownTo?: string
}

/** One request, what the application answers, and what comes of it. */
export interface Row {
  name: string
  /** Exact bytes, as latin1 text; `Connection: close` is part of it. */
  request: string
  /** The application's answer, or one for each attempt (the last one for all further ones). */
  answer: Answer | Answer[]
  /** With this gateway. Default: 200 OK, no headers, no body, one attempt. Only the parameters named here are compared. */
  expect: Partial<Outcome>
  nginx?: Difference | Difference[] | Skip
  apache?: Difference | Difference[] | Skip
}

/** A gateway that has nothing like it. */
export interface Skip { skip: string }

/** `expect` in full. */
export function outcome (expect: Partial<Outcome>): Outcome {
  return {
    status: 200, reason: 'OK', headers: {}, body: '', cut: false, informational: [], attempts: 1, params: {}, sent: '', ...expect,
  }
}

/** A response that the gateway makes itself: only its status is compared. */
export function own (status: number, more: Partial<Outcome> = {}): Partial<Outcome> & Pick<Outcome, 'headers'> {
  return { status, reason: '', headers: {}, body: GATEWAY, ...more }
}

/** A request without body. */
export function get (path: string, ...headers: string[]): string {
  return request('GET', path, headers)
}

/** A request with the headers that every row has; a string body gets its Content-Length. */
export function request (method: string, path: string, headers: string[] = [], body?: string): string {
  const length = body === undefined ? [] : [`Content-Length: ${body.length}`]
  return `${[`${method} ${path} HTTP/1.1`, 'Host: gateway.test', 'Connection: close', ...headers, ...length].join('\r\n')}\r\n\r\n${body ?? ''}`
}

/** The application's reply: header lines, then the body. */
export function reply (lines: string[], body = ''): string {
  return `${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`
}

/** What a whole subject says of a gateway that it does not concern: there is no test then. */
export const NOT_CONCERNED: Skip = { skip: 'it has nothing like it' }

/** Rows about what another gateway has nothing like. */
export function without (name: 'nginx' | 'apache', rows: Row[]): Row[] {
  return rows.map((row) => ({ ...row, [name]: NOT_CONCERNED }))
}
