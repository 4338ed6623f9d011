import { toError } from '../runtime/caught.ts'

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {}

/** The gateway cannot start: exit code 1. */
export class StartError extends Error {}

/** One line. */
export function messageOf (error: unknown): string {
  return toError(error).message.replace(/^fastify-scgi: /, '').replaceAll(/\s*\n\s*/g, ' ')
}
