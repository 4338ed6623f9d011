import { constants } from 'node:os'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/**
 * A Ctrl-C reaches a process that npm started twice, from the terminal and from npm: what comes so soon after the first is not
 * somebody who has lost patience.
 */
const SAME_SIGNAL = 300

/** What can be closed in an orderly way. */
export interface Closable {
  close (): Promise<void>
}

/** Lets the first signal close the gateway, which exits with 0, and a second one end the process at once. */
export function closeOnSignal (gateway: Closable): void {
  let closing: number | undefined
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (closing !== undefined) {
        if (performance.now() - closing > SAME_SIGNAL) process.exit(128 + constants.signals[signal])
        return
      }
      closing = performance.now()
      gateway.close().then(() => process.exit(0), error => {
        process.stderr.write(`fastify-scgi: closing failed: ${error instanceof Error ? error.message : String(error)}\n`)
        process.exit(1)
      })
    })
  }
}
