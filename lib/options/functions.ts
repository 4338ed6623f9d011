import { types } from 'node:util'
import { isFunction } from './checks.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_PROMISE } from '../errors.ts'
import { show } from './units.ts'

// Every function that is given as an option comes through here, so that one place decides what happens to a promise.

/**
 * A function whose value is needed at once, as it is to be called: a promise that it gives all the same is an error of that call.
 * @throws FST_SCGI_OPT_INVALID for an async function
 */
export function atOnce<Arguments extends unknown[], Value> (
  option: string, ask: (...given: Arguments) => Value
): (...given: Arguments) => Value {
  if (types.isAsyncFunction(ask)) throw new FST_SCGI_OPT_INVALID(option, `the async ${show(ask)}`, 'a function that gives its value at once')
  return (...given) => valueOf(option, ask(...given))
}

/**
 * As `atOnce`, for a value that may be anything.
 * @throws FST_SCGI_OPT_INVALID for what is no function, and for an async one
 */
export function readFunction (option: string, value: unknown, expected = 'a function'): (...given: unknown[]) => unknown {
  if (!isFunction(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), expected)
  return atOnce(option, value)
}

/**
 * What a function of the user's gave, where it is needed at once.
 * @throws FST_SCGI_PROMISE for a promise, whose rejection is then nobody's
 */
export function valueOf<Value> (option: string, value: Value): Value {
  if (!isThenable(value)) return value
  Promise.resolve(value).then(ignore, ignore)
  throw new FST_SCGI_PROMISE(option)
}

/** What a function of the user's gave that may give its value later; `value` where it is there. */
export function maybeLater<Value, Result> (
  value: Value | PromiseLike<Value>, then: (value: Value) => Result | Promise<Result>
): Result | Promise<Result> {
  return isThenable(value) ? Promise.resolve(value).then(then) : then(value)
}

/**
 * Hears of the rejection of a hook that may be async, and whose value nobody needs.
 * @param reply what `return reply.send()` gives: a thenable too, but none that this waits for
 */
export function onRejection (result: unknown, reply: unknown, failed: (error: unknown) => void): void {
  if (result !== reply && isThenable(result)) Promise.resolve(result).then(undefined, failed)
}

/** Promises of other realms and libraries are some, too. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return ((typeof value === 'object' && value !== null) || typeof value === 'function') && 'then' in value && typeof value.then === 'function'
}

function ignore (): void {}
