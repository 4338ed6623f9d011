import http from 'node:http'
import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** A request that asks for another protocol. */
export interface Upgrade {
  /** Value of the client's Upgrade header. */
  readonly protocol: string
  /** Takes the connection away from the HTTP server, with the bytes that the client has sent after its request. */
  take (): { socket: Socket, early: readonly Buffer[] }
}

type Listener = (...parameters: unknown[]) => void

/** Bytes that a client may send ahead of the answer; then it is not read any more. */
const MAX_EARLY = 65_536

/** What Node.js' server listens to on a connection, as far as a tunnel must be rid of it. */
const EVENTS = ['data', 'end', 'error', 'timeout', 'drain'] as const

const upgrades = new WeakMap<IncomingMessage, Upgrade>()
const servers = new WeakSet<EventEmitter>()
const onlookers = new WeakSet<object>()

/** The upgrade that a request asks for, where one is possible. */
export function upgradeOf (raw: IncomingMessage): Upgrade | undefined {
  return upgrades.get(raw)
}

/** A listener to 'upgrade' that answers nothing: where no other listens, an upgrade is not somebody else's. */
export function onlooker (listener: (request: IncomingMessage) => void): (request: IncomingMessage) => void {
  onlookers.add(listener)
  return listener
}

/**
 * Makes upgrades possible on a server, without taking them from anybody. Node.js gives every request with an Upgrade header to those who
 * listen to 'upgrade', and then it is no request any more. Where others listen it stays theirs: a route of ours that they have led it to
 * may still answer it. Where nobody else does, the connection is handed back to Node.js, which reads the request as a plain one, so that
 * all routes answer it as ever; only what the client sends after it is held back until it is answered.
 */
export function acceptUpgrades (server: EventEmitter): void {
  if (servers.has(server)) return
  servers.add(server)
  const accept = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    if (server.rawListeners('upgrade').every(listener => onlookers.has(listener))) handBack(server, request, socket, head)
    else if (isPossible(request)) upgrades.set(request, { protocol: request.headers.upgrade ?? '', take: () => ({ socket, early: pieces(head) }) })
  }
  onlookers.add(accept)
  server.on('upgrade', accept)
}

function isPossible ({ method, headers, httpVersion }: IncomingMessage): boolean {
  const { upgrade } = headers
  return method === 'GET' && httpVersion === '1.1' && upgrade !== undefined && upgrade !== '' &&
    headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0
}

function pieces (head: Buffer): Buffer[] {
  return head.length === 0 ? [] : [head]
}

function handBack (server: EventEmitter, asked: IncomingMessage, socket: Socket, head: Buffer): void {
  // An earlier request of this connection is being answered.
  const before: unknown = Reflect.get(socket, '_httpMessage')
  if (before instanceof http.ServerResponse) {
    before.once('close', () => { if (!socket.destroyed) handBack(server, asked, socket, head) })
    return
  }
  // Fastify has a server for each address of a name, and gives the upgrades of all to one.
  const owner: unknown = Reflect.get(socket, 'server')
  const reader = new Reader(owner instanceof http.Server ? owner : server, socket)
  if (isPossible(asked)) {
    const held = reader.request(asked)
    if (held !== undefined) held.hold(head)
    else reader.feed(head)
  } else {
    reader.feed(plainHead(asked))
    reader.feed(head)
  }
}

/** The request as it came, save that Connection does not name Upgrade: to Node.js it is none then. */
function plainHead ({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    let value = rawHeaders[i + 1] ?? ''
    if (name.toLowerCase() === 'connection') {
      value = value.split(',').filter(option => option.trim().toLowerCase() !== 'upgrade').join(',').trim()
      if (value === '') continue
    }
    text += `${name}: ${value}\r\n`
  }
  return Buffer.from(`${text}\r\n`, 'latin1')
}

function isListener (value: unknown): value is Listener {
  return typeof value === 'function'
}

/** A connection that Node.js' server reads again, with the listeners by which it does. */
class Reader {
  readonly #server: EventEmitter
  readonly #socket: Socket
  readonly #listeners: [event: string, listener: Listener][] = []
  #data: Listener = () => {}

  constructor (server: EventEmitter, socket: Socket) {
    this.#server = server
    this.#socket = socket
    const before = new Map(EVENTS.map(event => [event, new Set(socket.rawListeners(event))]))
    const listener: unknown = Reflect.get(http, '_connectionListener')
    // What http.Server does with a new connection; without it, the documented way, which others hear as well.
    if (typeof listener === 'function') Reflect.apply(listener, server, [socket])
    else server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket)
    for (const event of EVENTS) {
      for (const added of socket.rawListeners(event)) {
        if (before.get(event)?.has(added) === true || !isListener(added)) continue
        if (event === 'data') this.#data = added
        this.#listeners.push([event, added])
      }
    }
  }

  feed (bytes: Buffer): void {
    if (bytes.length > 0 && !this.#socket.destroyed) Reflect.apply(this.#data, this.#socket, [bytes])
  }

  /** Has a request read that may become a tunnel; `undefined` if the server has refused it. */
  request (asked: IncomingMessage): Held | undefined {
    let held: Held | undefined
    const note = (raw: IncomingMessage, response: ServerResponse): void => {
      raw.rawHeaders = asked.rawHeaders
      raw.headers = asked.headers
      held = new Held(this.#socket, this.#listeners, this, asked.headers.upgrade ?? '', response)
      upgrades.set(raw, held)
    }
    this.#server.prependListener('request', note)
    this.feed(plainHead(asked))
    this.#server.off('request', note)
    return held
  }
}

/** A request that is being answered, and what its client has sent since. */
class Held implements Upgrade {
  readonly protocol: string
  readonly #socket: Socket
  readonly #listeners: readonly [event: string, listener: Listener][]
  readonly #reader: Reader
  readonly #early: Buffer[] = []
  #length = 0
  #over = false
  readonly #keep = (chunk: Buffer): void => {
    this.#early.push(chunk)
    this.#length += chunk.length
    if (this.#length > MAX_EARLY) this.#socket.pause()
  }

  constructor (
    socket: Socket, listeners: readonly [event: string, listener: Listener][], reader: Reader, protocol: string, response: ServerResponse
  ) {
    this.#socket = socket
    this.#listeners = listeners
    this.#reader = reader
    this.protocol = protocol
    response.once('close', () => this.#release())
  }

  /** From now on, and these bytes at first. */
  hold (head: Buffer): void {
    if (this.#over) {
      this.#reader.feed(head)
      return
    }
    for (const [event, listener] of this.#listeners) if (event === 'data') this.#socket.off('data', listener)
    this.#socket.on('data', this.#keep)
    if (head.length > 0) this.#keep(head)
  }

  take (): { socket: Socket, early: readonly Buffer[] } {
    this.#over = true
    this.#socket.off('data', this.#keep)
    for (const [event, listener] of this.#listeners) this.#socket.off(event, listener)
    return { socket: this.#socket, early: this.#early }
  }

  /** It was answered as a plain request: what follows it is the next one. */
  #release (): void {
    if (this.#over) return
    this.#over = true
    const socket = this.#socket
    socket.off('data', this.#keep)
    if (socket.destroyed) return
    for (const [event, listener] of this.#listeners) if (event === 'data') socket.on('data', listener)
    for (const piece of this.#early) this.#reader.feed(piece)
    socket.resume()
  }
}
