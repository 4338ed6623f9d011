import type { GroupChanges } from '../../../../types/live.ts'

/** A JSON schema, as OpenAPI 3.1 has them. */
export type Schema = Readonly<Record<string, unknown>>

const text: Schema = { type: 'string' }
const flag: Schema = { type: 'boolean' }
const count: Schema = { type: 'integer', minimum: 0 }
const positive: Schema = { type: 'integer', minimum: 1 }
const amount: Schema = { type: 'number', minimum: 0 }
const share: Schema = { type: 'number', minimum: 0, maximum: 1 }
const moment: Schema = { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' }
const etag: Schema = { type: 'string', description: 'For If-Match.', pattern: '^"[\\w-]+"$' }

/** A value, or null if there is none. */
function maybe (schema: Schema): Schema {
  return { anyOf: [schema, { type: 'null' }] }
}

function list (items: Schema): Schema {
  return { type: 'array', items }
}

/** An object with these members, all of which are there, and no others. */
function object (properties: Readonly<Record<string, Schema>>, description?: string, optional: readonly string[] = []): Schema {
  return {
    type: 'object',
    ...(description === undefined ? undefined : { description }),
    properties,
    required: Object.keys(properties).filter(name => !optional.includes(name)),
    additionalProperties: false,
  }
}

/** An object of which any may be there. */
function some (properties: Readonly<Record<string, Schema>>, description: string): Schema {
  return { type: 'object', description, properties, minProperties: 1, additionalProperties: false }
}

/** An object with these members, and what is said of workers that have not answered. */
function told (properties: Readonly<Record<string, Schema>>, description?: string, optional: readonly string[] = []): Schema {
  return object({ ...properties, missing: ref('Missing') }, description, [...optional, 'missing'])
}

export function ref (name: string): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

const duration: Schema = { anyOf: [amount, text], description: "Milliseconds, or a time such as '10s'." }

const CHANGES: Readonly<Record<string, Schema>> = {
  weight: positive,
  maxConns: { ...count, description: '0 is without limit.' },
  maxFails: count,
  failTimeout: duration,
  slowStart: duration,
  retry: maybe(duration),
  backup: flag,
  lbset: count,
  spare: flag,
  standby: flag,
  route: maybe(text),
  redirect: maybe(text),
  drain: { ...flag, description: 'No new requests but those that are bound to it.' },
  down: { ...flag, description: 'No requests at all.' },
  keepalive: count,
  preconnect: count,
}

const NEW_SERVER: Readonly<Record<string, Schema>> = { address: text, ...CHANGES, resolve: flag, service: text }

/** Options of a server that is added here: keys and commands are none of the API's business. */
export const NEW_SERVER_OPTIONS: ReadonlySet<string> = new Set(Object.keys(NEW_SERVER))

const GROUP_CHANGES: Readonly<Record<keyof GroupChanges, Schema>> = {
  balance: { anyOf: [text, { type: 'object' }, { type: 'null' }], description: "As the option `balance`, but for functions: 'least_conn', { \"leastTime\": \"header\" }." },
  sticky: composed('As the option `sticky`, but for functions.'),
  queue: composed('size and timeout.'),
  tries: { ...maybe(count), description: 'Most attempts of a request; 0 is without limit.' },
  failOnStatus: maybe(list({ type: 'integer', minimum: 200, maximum: 599 })),
  forceRecovery: maybe(flag),
  health: { ...composed('As the option `health`, but for expressions.'), anyOf: [{ type: 'object' }, { type: 'array' }, { const: true }, { type: 'null' }] },
}

function composed (description: string): Schema {
  return { anyOf: [{ type: 'object' }, { const: true }, { type: 'null' }], description }
}

const STATUSES = ['MISS', 'BYPASS', 'EXPIRED', 'STALE', 'UPDATING', 'REVALIDATED', 'HIT']
const STATES = ['up', 'down', 'draining', 'unhealthy', 'checking', 'ejected', 'failed', 'full', 'removed']

export const SCHEMAS: Readonly<Record<string, Schema>> = {
  Error: object({ statusCode: { type: 'integer' }, code: text, error: text, message: text }, 'What went wrong; `code` is one of docs/errors.md, or of Fastify.'),
  Missing: {
    ...list(object({ worker: { ...maybe(positive), description: 'null is the primary, which does not say what workers there are.' }, pid: positive })),
    description: 'Workers of the gateway that have not answered within half a second, and are not in what is told; where there are several workers.',
  },
  Index: told({
    name: { const: 'fastify-scgi' },
    process: ref('Process'),
    workers: { ...list(ref('Process')), description: 'Those of the gateway, where there are several; all numbers but these are of all of them.' },
    groups: list(text),
    caches: list(text),
  }, undefined, ['workers']),
  Process: object({
    pid: positive,
    worker: { ...maybe(positive), description: 'Number of the worker of node:cluster.' },
    uptime: amount,
    memory: { ...count, description: 'Bytes that are resident.' },
    node: text,
  }),
  Token: object({ token: text }),
  History: object({
    step: { ...positive, description: 'Seconds of one point; the last one is not over yet.' },
    requests: list(count),
    failures: list(count),
    p50: list(maybe(amount)),
    p99: list(maybe(amount)),
  }),
  Settings: object({
    ...CHANGES, failTimeout: amount, slowStart: amount, retry: maybe(amount),
  }, 'What can be edited. Times in milliseconds.'),
  Changes: some(CHANGES, 'What is not named stays.'),
  NewServer: { ...some(NEW_SERVER, 'As in the option `upstreams`.'), required: ['address'] },
  Server: told({
    id: text,
    name: text,
    state: { enum: STATES },
    reason: maybe(text),
    since: moment,
    share: { ...share, description: "Of the group's attempts in the last minute." },
    active: { ...count, description: 'Exchanges that run now.' },
    rate: { ...amount, description: 'Attempts a second, in the last ten seconds.' },
    served: count,
    failures: count,
    fails: { ...count, description: 'Failed attempts that count at present.' },
    bytesSent: count,
    bytesReceived: count,
    p50: { ...maybe(amount), description: 'Milliseconds until the last byte, in the last hour.' },
    p99: maybe(amount),
    lastFailure: maybe(object({ at: moment, message: text })),
    check: maybe(object({ at: moment, passed: flag, reason: maybe(text) }, 'The latest health check.')),
    settings: ref('Settings'),
    etag,
    history: ref('History'),
    differs: {
      ...list(object({ worker: positive, state: { enum: STATES }, reason: maybe(text), settings: maybe(ref('Settings')) })),
      description: 'Workers where it is in another state, or has other settings, as in a group that is not shared.',
    },
  }, undefined, ['history', 'differs']),
  Group: told({
    id: text,
    name: text,
    balance: { ...text, description: 'Name of the balancing method.' },
    options: ref('GroupOptions'),
    active: count,
    rate: amount,
    queue: maybe(object({ waiting: count, size: count })),
    sessions: { ...maybe(count), description: 'Sessions that were learnt; null where none are.' },
    processes: { ...maybe(object({ count, connected: flag })), description: 'Those that share the group; null where it is shared with none.' },
    names: list(object({ address: text, servers: list(text), asksAgain: maybe(moment), failure: maybe(text) }, 'A name of the group, and what it resolves to.')),
    applications: list(object({ name: text, servers: list(text), processes: list(ref('ApplicationProcess')) }, 'What the gateway has started for the group.')),
    servers: list(ref('Server')),
    etag,
  }),
  ApplicationProcess: object({
    pid: maybe(positive),
    state: { enum: ['starting', 'running', 'waiting', 'stopping'], description: 'waiting: it has ended, and is to be started again.' },
    since: moment,
    restarts: count,
    reason: { ...maybe(text), description: 'Why it serves nobody.' },
    lastLine: { ...maybe(text), description: 'What it has written last, its first 200 characters.' },
  }),
  Groups: told({ groups: list(ref('Group')) }),
  GroupOptions: object(
    Object.fromEntries(Object.keys(GROUP_CHANGES).map(name => [name, {}])),
    'As in the options of a group, null where they are not set; less secrets, and functions as words.'),
  GroupChanges: some(GROUP_CHANGES, 'What is not named stays, also within sticky, queue and health. null takes an option away; true brings one of those three back as it was configured.'),
  Servers: told({ servers: list(ref('Server')) }),
  Cache: told({
    id: text,
    name: text,
    entries: maybe(count),
    bytes: maybe(count),
    requests: object(Object.fromEntries(STATUSES.map(status => [status, count]))),
    hitShare: maybe(share),
    updating: count,
    waiting: count,
    storeFailures: count,
  }),
  Caches: told({ caches: list(ref('Cache')) }),
  Entries: told({
    entries: list(object({
      key: text,
      status: { type: 'integer' },
      bytes: maybe(count),
      age: { ...count, description: 'Seconds.' },
      freshFor: { ...count, description: 'Seconds; 0 is stale.' },
      tags: list(text),
      vary: list(text),
      worker: { ...positive, description: 'The worker that has it in its memory, where there are several.' },
    }, undefined, ['worker'])),
    next: { ...maybe(count), description: 'The `offset` of the next page.' },
  }),
  Ages: told({
    ages: list(object({ upTo: { ...maybe(count), description: 'Seconds; null is all that is older.' }, entries: count, bytes: count })),
    stale: count,
    whole: { ...flag, description: 'All entries were looked at; else the first ten thousand.' },
  }),
  Purge: {
    type: 'object',
    description: 'One of key, glob and tag.',
    properties: { key: text, glob: text, tag: text, soft: { ...flag, description: 'Entries expire instead of being removed.' } },
    additionalProperties: false,
  },
  Purged: told({ purged: count }),
  Requests: told({
    requests: list(object({
      at: moment,
      id: text,
      method: text,
      path: text,
      status: { type: 'integer' },
      time: amount,
      client: text,
      cache: maybe({ enum: STATUSES }),
      worker: { ...positive, description: 'The worker that had it, where there are several.' },
      attempts: list(object({
        address: text,
        status: maybe({ type: 'integer' }),
        connectTime: maybe(amount),
        headerTime: maybe(amount),
        responseTime: maybe(amount),
        bytesSent: count,
        bytesReceived: count,
        error: maybe(text),
      })),
    }, undefined, ['worker'])),
  }),
  Edits: told({ edits: list(object({ at: moment, by: text, what: text })) }),
  Done: told({ done: { const: true } }),
}
