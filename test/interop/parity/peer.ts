import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { refusedAddress, startRecorder } from '../../helpers/recorder.ts'
import type { Recorder } from '../../helpers/recorder.ts'
import type { Target } from '../../helpers/raw-client.ts'
import { tempDir } from '../../helpers/temp.ts'

/** A gateway with the mounts that the rows use, in front of a recorder. */
export interface Peer extends AsyncDisposable {
  readonly name: 'nginx' | 'apache' | 'gateway'
  readonly target: Target
  readonly recorder: Recorder
  /** Directories, see `Application`. */
  readonly files: string
  readonly stored: string
  /** As `versionNumber()` gives it; 0 for this gateway. */
  readonly version: number
  logs (): string
}

/** Where the application listens: three addresses of one recorder, and two where nobody does. And directories. */
export interface Application {
  a: string
  b: string
  tcp: string
  dead: [string, string]
  /** What internal redirects and X-Sendfile lead to, see `FILES`. */
  files: string
  /** What is stored, empty at first. */
  stored: string
}

/** Files of `Application.files`, all of the same time. */
export const FILES = { 'page.html': '<p>0123456789</p>', 'a b?.txt': 'escaped' }
export const FILE_TIME = new Date('Mon, 07 Nov 1994 08:49:37 GMT')

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
  const files = dir.file('files')
  const stored = dir.file('stored')
  for (const path of [files, stored]) {
    mkdirSync(path)
    chmodSync(path, 0o777)
  }
  for (const [name, content] of Object.entries(FILES)) {
    const path = `${files}/${name}`
    writeFileSync(path, content, { mode: 0o644 })
    utimesSync(path, FILE_TIME, FILE_TIME)
  }
  let started: Started
  try {
    started = await start({ a, b, tcp, dead: [await refusedAddress(), await refusedAddress()], files, stored })
  } catch (error) {
    await free()
    throw error
  }
  const { target, version, logs, stop } = started
  return {
    name,
    target,
    recorder,
    files,
    stored,
    version,
    logs,
    async [Symbol.asyncDispose] () {
      await stop()
      await free()
    },
  }
}
