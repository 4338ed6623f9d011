import { OwnApplication } from './application.ts'
import { primaryOwns, RemoteApplication } from './remote.ts'
import type { Application, ApplicationListener } from './contract.ts'
import type { SpawnSettings } from './options.ts'
import type { Timers } from '../runtime/timers.ts'

/** An application as the server of a group: its processes belong to the primary of the cluster where that owns any, else to this process. */
export function openApplication (option: string, settings: SpawnSettings, listener: ApplicationListener, timers: Timers): Application {
  return primaryOwns() ? new RemoteApplication(option, settings, listener) : new OwnApplication(option, settings, listener, timers)
}
