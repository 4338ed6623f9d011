import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { show } from './units.ts'

const SWITCHES: Readonly<Record<string, boolean>> = {
  on: true, yes: true, true: true, enable: true, enabled: true, off: false, no: false, false: false, disable: false, disabled: false,
}

/** What a word of configuration files stands for: `'On'`, `'off'`, `'yes'`; `undefined` for any other value. */
export function switched (value: unknown): boolean | undefined {
  const word = typeof value === 'string' ? value.trim().toLowerCase() : ''
  return Object.hasOwn(SWITCHES, word) ? SWITCHES[word] : undefined
}

/** What is expected where true and false are, with the spelling of what was probably meant. */
export function orSwitch (value: unknown, expected: string): string {
  const meant = switched(value)
  return meant === undefined ? expected : `${expected} (write ${meant})`
}

/** @throws FST_SCGI_OPT_INVALID */
export function flag (option: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise
  if (typeof value !== 'boolean') throw new FST_SCGI_OPT_INVALID(option, show(value), orSwitch(value, 'true or false'))
  return value
}

/** @throws FST_SCGI_OPT_INVALID */
export function integer (option: string, value: unknown, least: number, otherwise: number): number {
  if (value === undefined) return otherwise
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), `an integer of ${least} or more`)
  }
  return value
}

/** Takes anything that is an object with keys; what each key holds is checked where it is read. */
export function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What it takes and gives is looked at where it is called. */
export function isFunction (value: unknown): value is (...of: unknown[]) => unknown {
  return typeof value === 'function'
}
