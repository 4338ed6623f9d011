import { parseAccelExpires, parseBuffering, parseLimitRate } from './accel-values.ts'

// Every header by which an application steers the gateway, each in one row. The parser of response heads, the list of hidden headers,
// `ignoreHeaders`, what is dropped of a client's request, the plan of a reply, the cache and `fastify-scgi/accel` read them from here.

/** What a reply's headers say of the way it is sent. */
export interface Steered {
  charset?: string
  /** Bytes a second to the client; 0 is without limit. */
  rate?: number
}

/** What is said of a header that steers. */
interface Facts<Value> {
  /** As applications write it. */
  readonly spelling: string
  /** Which one counts where it comes more than once. */
  readonly counts: 'first' | 'last' | 'all'
  /** The client does not get it, unless `passHeaders` names it. */
  readonly hidden: boolean
  /** The option that governs it: `ignoreHeaders` takes its effect away, `sendfile` gives it one. */
  readonly option: 'ignoreHeaders' | 'sendfile'
  /** Who obeys it: the gateway for each reply, or its cache. */
  readonly obeyedBy: 'reply' | 'cache'
  /** `fastify-scgi/accel` obeys it, too. */
  readonly accel: boolean
  /**
   * `undefined` for a value that means nothing, and is ignored.
   * @param now milliseconds since the epoch
   */
  readonly parse: (text: string, now: number) => Value | undefined
  /** Lays down what it says, where that is all there is to do; the other ones are decided upon where a reply is diverted, read or cached. */
  readonly apply?: (plan: Steered, value: Value) => void
}

/** A header that steers, and what is made of its value. */
export interface SteeringHeader<Value = unknown> extends Omit<Facts<Value>, 'apply'> {
  /** In lower case. */
  readonly name: string
  /** Lays down in a plan, which is made where it is not there yet, what the text says; `undefined` if nothing is to be laid down. */
  readonly lay: (<Plan extends Steered>(text: string, plan: Plan | undefined, create: () => Plan) => Plan | undefined) | undefined
}

function header<Value> ({ apply, ...facts }: Facts<Value>): SteeringHeader<Value> {
  return {
    ...facts,
    name: facts.spelling.toLowerCase(),
    lay: apply === undefined
      ? undefined
      : (text, given, create) => {
          const value = facts.parse(text, 0)
          if (value === undefined) return given
          const plan = given ?? create()
          apply(plan, value)
          return plan
        },
  }
}

function asIs (text: string): string {
  return text
}

/** Where an internal redirect leads. */
const redirect = header<string>({
  spelling: 'X-Accel-Redirect',
  counts: 'first',
  hidden: true,
  option: 'ignoreHeaders',
  obeyedBy: 'reply',
  accel: true,
  parse: asIs,
})

/** Bytes a second to the client. */
const limitRate = header<number>({
  spelling: 'X-Accel-Limit-Rate',
  counts: 'first',
  hidden: true,
  option: 'ignoreHeaders',
  obeyedBy: 'reply',
  accel: true,
  parse: parseLimitRate,
  apply: (plan, rate) => { plan.rate = rate },
})

/** Whether the reply is read ahead of the client. */
const buffering = header<boolean>({
  spelling: 'X-Accel-Buffering',
  counts: 'last',
  hidden: true,
  option: 'ignoreHeaders',
  obeyedBy: 'reply',
  // Behind another sender nothing is read ahead.
  accel: false,
  parse: parseBuffering,
})

/** Charset of the reply's media type. */
const charset = header<string>({
  spelling: 'X-Accel-Charset',
  counts: 'last',
  hidden: true,
  option: 'ignoreHeaders',
  obeyedBy: 'reply',
  accel: true,
  parse: asIs,
  apply: (plan, value) => { plan.charset = value },
})

/** How long the cache keeps the reply. */
const expires = header<number>({
  spelling: 'X-Accel-Expires',
  counts: 'first',
  hidden: true,
  option: 'ignoreHeaders',
  obeyedBy: 'cache',
  accel: false,
  parse: parseAccelExpires,
})

/** The file that answers. Options give it another name; it is hidden where it is obeyed. */
const sendfile = header<string>({
  spelling: 'X-Sendfile',
  counts: 'all',
  hidden: false,
  option: 'sendfile',
  obeyedBy: 'reply',
  accel: true,
  parse: asIs,
})

export const STEERING = { redirect, limitRate, buffering, charset, expires, sendfile }

const ROWS: readonly SteeringHeader[] = Object.values(STEERING)

/** Those for which something holds. */
export function steeringHeaders (holds: (header: SteeringHeader) => boolean): SteeringHeader[] {
  return ROWS.filter(holds)
}

type HeaderValues = Readonly<Record<string, string | string[] | undefined>>

function textOf (value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0]
}

/** What a reply says by one of the headers, by lower-case names; `undefined` if it says nothing. */
export function wishOf<Value> ({ name, parse }: SteeringHeader<Value>, headers: HeaderValues, now = 0): Value | undefined {
  const text = textOf(headers[name])
  return text === undefined ? undefined : parse(text, now)
}

/**
 * As `wishOf`, where the header is among those that are obeyed, by their names.
 * @param value the header's; who asks looks it up, which is cheap where it is always the same name
 */
export function obeyedWish<Value> (
  { name, parse }: SteeringHeader<Value>, value: string | string[] | undefined, obeyed: ReadonlySet<string>
): Value | undefined {
  const text = textOf(value)
  return text === undefined || !obeyed.has(name) ? undefined : parse(text, 0)
}

/** Lays down in a plan, which may be there already, what a reply says of the way it is sent; `undefined` if there is still none. */
export function steer<Plan extends Steered> (
  headers: HeaderValues, obeyed: ReadonlySet<string>, given: Plan | undefined, create: () => Plan
): Plan | undefined {
  // One by one, each row that has something to lay down: what is looked up under the same name each time is found at once.
  const plan = laid(limitRate, headers[limitRate.name], obeyed, given, create)
  return laid(charset, headers[charset.name], obeyed, plan, create)
}

function laid<Value, Plan extends Steered> (
  { name, lay }: SteeringHeader<Value>, value: string | string[] | undefined, obeyed: ReadonlySet<string>, plan: Plan | undefined,
  create: () => Plan
): Plan | undefined {
  const text = textOf(value)
  return text === undefined || lay === undefined || !obeyed.has(name) ? plan : lay(text, plan, create)
}

/** A header by which applications steer gateways, known here or not. Of clients it is dropped, and no redirect takes it along. */
export function isAccel (name: string): boolean {
  return name.startsWith('x-accel-')
}
