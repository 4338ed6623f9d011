import { logAccess } from './access-log.ts'
import { Activity } from './activity.ts'
import { LATE_COMPILERS } from './late-compilers.ts'
import type { Application } from './application.ts'
import type { Logs } from './logs.ts'
import type { Settings } from './read-config.ts'

export interface Built {
  readonly application: Application
  readonly activity: Activity
}

/**
 * Makes the application of a configuration, ready to listen.
 * @throws StartError
 */
export async function build (settings: Settings, logs: Logs): Promise<Built> {
  const { logger } = logs
  // A primary process serves nobody: it has neither Fastify nor the gateway in memory.
  const { Application } = await import('./application.ts')
  const application = new Application({
    // Who has no `setup` has no routes but those of the gateway, and these have no schemas.
    ...(settings.setup === undefined && { schemaController: { compilersFactory: LATE_COMPILERS } }),
    ...settings.fastify,
    ...(logger !== undefined && { logger }),
  })
  const { app } = application
  logs.tellDropped(app.log)
  const activity = new Activity(app)
  if (settings.accessLog !== undefined) logAccess(app, settings.accessLog.format, logs.access)
  await application.load(settings)
  return { application, activity }
}
