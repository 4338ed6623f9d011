/** The command line is wrong: exit code 2. */
export class UsageError extends Error {}

/** The gateway cannot start: exit code 1. */
export class StartError extends Error {}

/** The `code` of a system error or of one of ours. */
export function codeOf (error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
