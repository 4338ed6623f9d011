import { isRecord } from '../options/checks.ts'
import type { OutputReport, ProcessReport } from './contract.ts'

/** What can take the lines: Fastify's and the runner's loggers. */
export interface ApplicationLog {
  info (details: object, line: string): void
  warn (details: object, line: string): void
}

/** Writes in the log what happened to a process. */
export function tellProcess (log: ApplicationLog, application: string, { pid, state, reason, restartsIn }: ProcessReport): void {
  const details = { application: { name: application, pid } }
  if (state === 'stopped' && reason !== undefined) log.warn(details, `application ${application} (${pid}) was to be stopped: ${reason}`)
  else if (state !== 'exited') log.info(details, `application ${application} (${pid}) is ${state}`)
  else log.warn(details, `application ${application} (${pid}) is gone and starts again in ${restartsIn ?? 0} ms: ${reason ?? ''}`)
}

/** Writes in the log what a process has said. */
export function tellOutput (log: ApplicationLog, application: string, { pid, stream, line }: OutputReport): void {
  log.info({ application: { name: application, pid, stream } }, `${application}[${pid}]: ${line}`)
}

/** What went wrong, as it goes from process to process. */
export interface PlainError {
  readonly code: string
  readonly message: string
}

export function plain (error: unknown): PlainError {
  const message = error instanceof Error ? error.message : String(error)
  return { code: isRecord(error) && typeof error['code'] === 'string' ? error['code'] : 'FST_SCGI_SPAWN', message }
}
