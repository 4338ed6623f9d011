import type { MountPoint } from '../routing/place.ts'
import type { Hits } from './hits.ts'
import type { Mount } from './mount.ts'

/** A route as the gateway serves it. */
export interface Service {
  readonly mount: Mount
  readonly point: MountPoint
  /** Largest request body in bytes. */
  readonly bodyLimit: number
  /** The short way for what its cache has in memory, where there is one. */
  readonly hits?: Hits | undefined
}
