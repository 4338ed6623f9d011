import { FST_SCGI_CLIENT_ABORT } from '../errors.ts'
import type { FastifyBaseLogger } from 'fastify'
import type { Attempt } from '../../types/request.ts'

/** An attempt has ended. */
export function logAttempt (log: FastifyBaseLogger, attempt: Attempt, error: Error | undefined): void {
  if (isVerbose(log)) log.debug({ upstream: attempt, err: error }, `upstream ${attempt.address} ${attempt.status ?? '-'}`)
}

/** The client has disconnected, and nobody else wants the reply. */
export function logLeft (log: FastifyBaseLogger): void {
  if (isVerbose(log)) log.debug({ err: new FST_SCGI_CLIENT_ABORT() }, 'client closed the connection')
}

/** Whether debug lines are written: what goes into one is not made for nobody. */
function isVerbose ({ level }: FastifyBaseLogger): boolean {
  return level === 'debug' || level === 'trace'
}
