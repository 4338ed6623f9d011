import { FST_SCGI_OPT_INVALID } from './errors.ts'
import { show } from './units.ts'

/** @throws FST_SCGI_OPT_INVALID */
export function flag (option: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise
  if (typeof value !== 'boolean') throw new FST_SCGI_OPT_INVALID(option, show(value), 'true or false')
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
