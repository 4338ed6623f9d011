import type { Timers } from '../runtime/timers.ts'

/** A request that may hold a lock or wait for one. */
export interface LockUser {
  /** It holds the lock now, after it has waited. */
  onLockGranted (): void
  /** What it waited for may be there now. It waits no longer. */
  onLockFreed (): void
  /** It has waited long enough. It waits no longer. */
  onLockTimeout (): void
}

interface Wait {
  /** Milliseconds after which one more may follow it, once it holds the lock. */
  readonly age: number
  readonly cancelTimeout: () => void
}

interface KeyLock {
  readonly key: string
  holder: LockUser | undefined
  /** When one more request is let through although the holder has not released the lock. */
  due: number
  /** Those who wait, the first to come first. Mostly nobody does. */
  waits: Map<LockUser, Wait> | undefined
  cancelDue: (() => void) | undefined
}

/** Of many requests that need the same reply one fetches it, and the others wait. A lock is released by its holder, once. */
export class LockTable {
  readonly #clock: Timers
  readonly #locks = new Map<string, KeyLock>()
  /** Holders that are about to be told. One may have been taken over by then, and goes on all the same. */
  readonly #granted = new Set<LockUser>()
  #waiting = 0

  constructor (clock: Timers) {
    this.#clock = clock
  }

  /** Requests that wait now. */
  get waiting (): number {
    return this.#waiting
  }

  /** Keys that are locked now. */
  get size (): number {
    return this.#locks.size
  }

  isHeld (key: string): boolean {
    return this.#locks.has(key)
  }

  /**
   * Takes the lock if it is free, or with `takeOver` if its holder has had it for too long.
   * @param age milliseconds after which it may be taken over again
   * @param now by the clock, where it is known
   */
  acquire (key: string, user: LockUser, age: number, takeOver: boolean, now = this.#clock.now()): boolean {
    const lock = this.#locks.get(key)
    if (lock === undefined) {
      this.#locks.set(key, { key, holder: user, due: now + age, waits: undefined, cancelDue: undefined })
      return true
    }
    // Those who wait for the same go first.
    if (!takeOver || lock.due > now || lock.waits !== undefined) return false
    lock.holder = user
    lock.due = now + age
    return true
  }

  /** Hands a lock on. */
  transfer (key: string, from: LockUser, to: LockUser): void {
    const lock = this.#locks.get(key)
    if (lock?.holder === from) lock.holder = to
  }

  /** Waits for the lock, which somebody else holds. */
  wait (key: string, user: LockUser, age: number, timeout: number): void {
    const lock = this.#locks.get(key)
    if (lock === undefined) return
    const cancelTimeout = this.#clock.after(timeout, () => {
      this.#leave(lock, user)
      user.onLockTimeout()
    })
    lock.waits ??= new Map()
    lock.waits.set(user, { age, cancelTimeout })
    this.#waiting++
    this.#watch(lock)
  }

  /**
   * Gives the lock back, or ends the waiting for it.
   * @param stored what the others wait for is there: all of them look. Otherwise the first of them fetches it.
   */
  release (key: string, user: LockUser, stored: boolean): void {
    this.#granted.delete(user)
    const lock = this.#locks.get(key)
    if (lock === undefined) return
    this.#leave(lock, user)
    if (lock.holder === user) lock.holder = undefined
    if (stored) this.#freeAll(lock)
    else if (lock.holder === undefined) this.#grantFirst(lock)
    if (lock.holder === undefined && lock.waits === undefined) {
      lock.cancelDue?.()
      this.#locks.delete(key)
    }
  }

  #leave (lock: KeyLock, user: LockUser): void {
    const { waits } = lock
    const wait = waits?.get(user)
    if (waits === undefined || wait === undefined) return
    wait.cancelTimeout()
    waits.delete(user)
    this.#waiting--
    if (waits.size === 0) {
      lock.waits = undefined
      lock.cancelDue?.()
      lock.cancelDue = undefined
    }
  }

  #freeAll (lock: KeyLock): void {
    if (lock.waits === undefined) return
    const users = [...lock.waits.keys()]
    for (const user of users) this.#leave(lock, user)
    // Not from within the request that brought it, and not on top of one another.
    setImmediate(() => {
      for (const user of users) user.onLockFreed()
    })
  }

  #grantFirst (lock: KeyLock): void {
    const [first] = lock.waits ?? []
    if (first === undefined) return
    const [user, { age }] = first
    this.#leave(lock, user)
    lock.holder = user
    lock.due = this.#clock.now() + age
    this.#watch(lock)
    this.#granted.add(user)
    setImmediate(() => {
      if (this.#granted.delete(user)) user.onLockGranted()
    })
  }

  /** Lets the first of those who wait through when the holder has had the lock for too long. */
  #watch (lock: KeyLock): void {
    lock.cancelDue?.()
    lock.cancelDue = undefined
    if (lock.waits === undefined) return
    lock.cancelDue = this.#clock.after(Math.max(0, lock.due - this.#clock.now()), () => {
      lock.cancelDue = undefined
      this.#grantFirst(lock)
    })
  }
}
