import { ActiveList, type Listed } from '../runtime/active-list.ts'
import { systemTimers } from '../runtime/timers.ts'

/** From so many milliseconds on a timeout is a long one. */
const LONG = 10_000
/** It begins so much later at most, in milliseconds. */
const LATE = 100

/** Whose timeout has not begun. */
export interface Waiting extends Listed {
  beginTimeout (): void
}

const waiting = new ActiveList<Waiting>()
let isAwaited = false

/**
 * Puts a long timeout off; false if it is none. The timer of a socket is made anew for each connection and set back by all that happens on
 * it. Nearly all connections are closed before one of these could matter.
 */
export function isPutOff (one: Waiting, milliseconds: number): boolean {
  if (milliseconds < LONG) return false
  waiting.add(one)
  if (!isAwaited) {
    isAwaited = true
    systemTimers.after(LATE, beginAll)
  }
  return true
}

function beginAll (): void {
  isAwaited = false
  for (const one of waiting.all()) {
    waiting.delete(one)
    one.beginTimeout()
  }
}
