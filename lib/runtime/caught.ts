// What was caught may be anything.

/** It, as an error. */
export function toError (caught: unknown): Error {
  return caught instanceof Error ? caught : new Error(String(caught))
}

/** Its `code`, if it is an error of the system or one of ours; else empty. */
export function codeOf (caught: unknown): string {
  return caught instanceof Error && 'code' in caught && typeof caught.code === 'string' ? caught.code : ''
}

/** The status that it is answered with, as Fastify's error handler sees it. */
export function statusOf (error: Error): number {
  return 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
}
