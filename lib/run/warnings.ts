import type { Teller } from './logs.ts'

/**
 * Writes the warnings of the process into the log, where they are looked for, and not to the standard error: a channel whose Redis is gone,
 * an option that will be removed.
 * @returns ends that
 */
export function logWarnings (log: Teller): () => void {
  const own = process.listeners('warning').filter(({ name }) => name === 'onWarning')
  const tell = (warning: Error & { code?: string }): void => {
    const { name, code, message } = warning
    log.warn({ warning: { name, code } }, message)
  }
  for (const listener of own) process.off('warning', listener)
  process.on('warning', tell)
  return () => {
    process.off('warning', tell)
    for (const listener of own) process.on('warning', listener)
  }
}
