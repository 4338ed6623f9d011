import { refusedAddress, startRecorder } from '../../helpers/recorder.ts'
import type { Recorder } from '../../helpers/recorder.ts'
import type { Target } from '../../helpers/raw-client.ts'
import { tempDir } from '../../helpers/temp.ts'

/** A gateway with the mounts that the rows use, in front of a recorder. */
export interface Peer extends AsyncDisposable {
  readonly name: 'nginx' | 'apache' | 'gateway'
  readonly target: Target
  readonly recorder: Recorder
  /** As `versionNumber()` gives it; 0 for this gateway. */
  readonly version: number
  logs (): string
}

/** Where the application listens: three addresses of one recorder, and two where nobody does. */
export interface Application {
  a: string
  b: string
  tcp: string
  dead: [string, string]
}

/** What a gateway tells when it has started. */
export interface Started {
  target: Target
  version: number
  logs: () => string
  stop: () => Promise<void>
}

/** Starts the application, then the gateway in front of it; frees all of it together, also when the start fails. */
export async function startPeer (name: Peer['name'], start: (application: Application) => Promise<Started>): Promise<Peer> {
  const dir = await tempDir()
  const recorder = await startRecorder({ listen: [{ path: dir.socket('a') }, { path: dir.socket('b') }, 'tcp'] })
  const [a = '', b = '', tcp = ''] = recorder.addresses
  const free = async (): Promise<void> => {
    await recorder.close()
    await dir.remove()
  }
  let started: Started
  try {
    started = await start({ a, b, tcp, dead: [await refusedAddress(), await refusedAddress()] })
  } catch (error) {
    await free()
    throw error
  }
  const { target, version, logs, stop } = started
  return {
    name,
    target,
    recorder,
    version,
    logs,
    async [Symbol.asyncDispose] () {
      await stop()
      await free()
    },
  }
}
