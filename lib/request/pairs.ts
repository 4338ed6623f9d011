import { byteText } from './block.ts'
import { FST_SCGI_BAD_REQUEST } from '../errors.ts'
import { asked, type Configured } from './param-values.ts'
import { toBytes, utf8 } from '../bytes/text.ts'
import type { DefaultParam, ParamsExchange, RequestView } from './param-sets.ts'

// How far the kept text is. To make one text of the pieces pays only when it is used again.
const NONE = 0
const JOINED = 1
const WHOLE = 2

type Read = (view: RequestView, exchange: ParamsExchange) => string | number

/** A parameter that mostly is what it was in the request before. */
interface Steady {
  readonly name: string
  /** The fixed pairs before it. */
  readonly fixed: string
  readonly label: string
  readonly read: Read
  readonly ifNotEmpty: boolean
  /** Its value in the text that is kept. */
  last: string | number | undefined
}

/** Neighbours that are kept as one text, and the parameter after them, which each request has another value of. */
interface Part<R> {
  readonly steady: readonly Steady[]
  /** What is fixed between them and the value. */
  readonly after: string
  /** `steady` and `after`, for the values that they had last. */
  text: string
  state: typeof NONE | typeof JOINED | typeof WHOLE
  /** The name of the parameter, and of `label` what is not in `after`, because it may be left out. */
  readonly name: string
  readonly label: string
  readonly read: Read | undefined
  readonly ask: ((request: R) => string | undefined) | undefined
  readonly ifNotEmpty: boolean
}

/**
 * A list of parameters, which makes the text `NUL name NUL value ...` of a request. The engine joins texts for less than it copies their
 * bytes one by one, so there are few of them, and they become bytes at once.
 */
export class Pairs<R> {
  readonly #parts: readonly Part<R>[]

  constructor (params: readonly (Configured<R> | DefaultParam)[]) {
    this.#parts = compile(params)
  }

  /**
   * One char a byte, save in values that hold a char beyond 0xFF.
   * @throws FST_SCGI_BAD_REQUEST for a NUL in a value; FST_SCGI_OPT_INVALID, and whatever a function of the user's throws
   */
  text (view: RequestView, request: R, exchange: ParamsExchange): string {
    let text = ''
    for (const part of this.#parts) {
      text += isKept(part, view, exchange) ? part.text : renew(part, view, exchange)
      const { name, read, ask } = part
      const value = read !== undefined ? read(view, exchange) : ask !== undefined ? asked(name, ask(request), view) : undefined
      if (value === undefined || (value === '' && part.ifNotEmpty)) continue
      if (typeof value === 'string' && value.includes('\0')) throw nul(name)
      text = text + part.label + value
    }
    return text
  }
}

export function refuseNul (name: string, value: string): void {
  if (value.includes('\0')) throw nul(name)
}

function isKept <R> (part: Part<R>, view: RequestView, exchange: ParamsExchange): boolean {
  if (part.state === NONE) return false
  for (const step of part.steady) if (step.read(view, exchange) !== step.last) return false
  if (part.state === JOINED) {
    part.text = byteText(part.text)
    part.state = WHOLE
  }
  return true
}

function renew <R> (part: Part<R>, view: RequestView, exchange: ParamsExchange): string {
  // A value that is refused must not be taken for one that is in the text.
  part.state = NONE
  let text = ''
  for (const step of part.steady) {
    const value = step.last = step.read(view, exchange)
    if (typeof value === 'string' && value.includes('\0')) throw nul(step.name)
    text += step.fixed
    if (value !== '' || !step.ifNotEmpty) text = text + step.label + value
  }
  part.text = text + part.after
  part.state = JOINED
  return part.text
}

function compile <R> (params: readonly (Configured<R> | DefaultParam)[]): Part<R>[] {
  const parts: Part<R>[] = []
  let steady: Steady[] = []
  let fixed = ''
  const end = (own: Pick<Part<R>, 'name' | 'label' | 'read' | 'ask' | 'ifNotEmpty'>): void => {
    parts.push({ steady, after: fixed, text: '', state: NONE, ...own })
    steady = []
    fixed = ''
  }
  for (const param of params) {
    const name = param.name
    const label = '\0' + utf8(name) + '\0'
    const ifNotEmpty = 'ifNotEmpty' in param && param.ifNotEmpty === true
    if ('value' in param) {
      fixed += label + toBytes(param.value)
    } else if ('ask' in param) {
      end({ name, label, read: undefined, ask: param.ask, ifNotEmpty })
    } else if (param.varies === true) {
      if (!ifNotEmpty) fixed += label
      end({ name, label: ifNotEmpty ? label : '', read: param.read, ask: undefined, ifNotEmpty })
    } else {
      steady.push({ name, fixed, label, read: param.read, ifNotEmpty, last: undefined })
      fixed = ''
    }
  }
  if (fixed !== '' || steady.length > 0) end({ name: '', label: '', read: undefined, ask: undefined, ifNotEmpty: false })
  return parts
}

function nul (name: string): Error {
  return new FST_SCGI_BAD_REQUEST(`the parameter ${name} would hold a NUL`)
}
