import type { Caches } from './cache-registry.ts'
import type { MountPoint } from '../routing/place.ts'
import type { Mount } from './mount.ts'
import type { Listed, Roster } from '../runtime/roster.ts'

/** Something that an application waits for when it closes. */
export interface Running extends Listed {
  /** Ends it at once. */
  cut (): void
  /** The application is closing: what promised to keep a connection does not. */
  closing (): void
}

/** What the gateways of one application share. */
export interface GatewayState {
  /** The application is closing: connections are not to be kept. */
  closing: boolean
  /** Exchanges that run, with or without their client. */
  readonly running: Roster<Running>
  readonly caches: Caches
  /** Called when the last of them has ended. */
  onIdle: (() => void) | undefined
}

/** A route as the gateway serves it. */
export interface Service {
  readonly mount: Mount
  readonly point: MountPoint
  /** Largest request body in bytes. */
  readonly bodyLimit: number
}
