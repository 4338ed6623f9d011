import type { Socket } from 'node:net'

/** While more requests than these are under way, a connection whose reply has gone out waits for its turn to be read again. */
const MANY = 128
/** The same while connections are accepted. */
const SOME = 8
/** So many are read anew in one turn of the event loop, */
const IN_A_TURN = 64
/** and so many while connections are accepted: */
const WHILE_ACCEPTING = 2
/** so many turns after the last one. */
const ACCEPTING_FOR = 2
/** Places at the head of the queue that may be empty before it is made anew. */
const EMPTY = 1024

/**
 * The order in which the connections of many busy clients are read. Node.js reads in one turn of the event loop all that have something to
 * say, and accepts one new connection. With thousands of clients, thousands of requests would be begun before the first is answered: their
 * objects grow old together, which is what a garbage collector is worst at, and a turn takes so long that new connections wait for seconds.
 * Here requests that nobody can serve yet stay in the kernel.
 */
export class Pace {
  /** Connections that are not read, in the order in which their turn comes; those before `#next` have had it. */
  #queue: Socket[] = []
  #next = 0
  /** Turns for which connections are taken to be coming. */
  #accepting = 0
  /** Requests that were begun in this turn, counted while many are under way. */
  #begun = 0
  /** Connections whose turn has come since some were made to wait, until they have had a request. */
  #due: WeakSet<Socket> | undefined
  /** Connections that have had a request, of each application. */
  readonly #known = new Set<Iterable<Socket>>()
  #isTurning = false

  /** @param connections of clients, from now on; all have had a request */
  watch (connections: Iterable<Socket>): void {
    this.#known.add(connections)
  }

  /** They are no longer served. */
  forget (connections: Iterable<Socket>): void {
    this.#known.delete(connections)
  }

  /**
   * A request was begun. When clients that were all idle ask at once, those that this turn has not come to yet wait for theirs. A client
   * whose turn has come, and who is slow to ask, is not sent back to the end.
   * @param running requests that are under way
   */
  began (running: number): void {
    if (running <= MANY) return
    this.#begin()
    if (++this.#begun !== IN_A_TURN) return
    for (const connections of this.#known) {
      for (const socket of connections) if (isIdle(socket) && !socket.isPaused() && this.#due?.has(socket) !== true) this.#hold(socket)
    }
  }

  /**
   * The reply to the last request of a connection is through.
   * @param running requests that are under way
   */
  answered (socket: Socket, running: number): void {
    this.#due?.delete(socket)
    if (running > (this.#accepting > 0 ? SOME : MANY) && isIdle(socket)) this.#hold(socket)
  }

  /**
   * A connection was accepted.
   * @param holds it is one of plain HTTP/1, and may wait for its turn
   */
  accepted (socket: Socket, holds: boolean): void {
    // Node.js is about to begin to read it, and would do so all the same.
    if (holds && this.#queue.length > 0) process.nextTick(() => this.#hold(socket))
    this.#accepting = ACCEPTING_FOR
    this.#begin()
  }

  /** Calls back when no connection waits for its turn any more, and what those had to say that did has been heard. */
  finish (done: () => void): void {
    // Those that were accepted in this turn begin to wait after it.
    setImmediate(() => {
      while (this.#readNext());
      // The phase in which they are read comes before this.
      setImmediate(done)
    })
  }

  #hold (socket: Socket): void {
    if (socket.destroyed) return
    socket.pause()
    this.#queue.push(socket)
    this.#begin()
  }

  #begin (): void {
    if (this.#isTurning) return
    this.#isTurning = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#begun = 0
    let left = this.#accepting > 0 ? WHILE_ACCEPTING : IN_A_TURN
    if (this.#accepting > 0) this.#accepting--
    while (left-- > 0 && this.#readNext());
    this.#isTurning = this.#queue.length > 0 || this.#accepting > 0
    if (this.#isTurning) setImmediate(this.#turn)
    else this.#due = undefined
  }

  /** False if there was none. */
  #readNext (): boolean {
    const socket = this.#queue[this.#next++]
    if (this.#next >= this.#queue.length) {
      this.#queue = []
      this.#next = 0
    } else if (this.#next === EMPTY) {
      this.#queue.splice(0, this.#next)
      this.#next = 0
    }
    if (socket === undefined) return false
    this.#due ??= new WeakSet()
    this.#due.add(socket)
    socket.resume()
    return true
  }
}

/** Node.js has no further reply for it. */
function isIdle (socket: Socket): boolean {
  return socket.writable && Reflect.get(socket, '_httpMessage') === null
}

/** That of this process: all its connections share one event loop. */
export const pace = new Pace()
