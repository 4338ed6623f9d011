import { startDemo } from '../demo/index.ts'
import { showDemo } from './banner.ts'
import { runHere } from './index.ts'
import { standardOutput } from './logs.ts'
import { readConfig } from './read-config.ts'
import { prefixOf } from './mounts.ts'
import type { GatewayConfig, RunningGateway } from '../../types/config.ts'

/** What the demo's upload is for: photographs, not backups. */
const DEMO_BODY_LIMIT = 64 * 1024 ** 2

/** How long open event streams of the demo may hold up its end; nobody loses anything. */
const DEMO_CLOSE_TIMEOUT = 1000

/**
 * Serves HTTP in front of the demo.
 * @throws StartError, FST_SCGI_*
 */
export async function runDemo (config: GatewayConfig): Promise<RunningGateway> {
  const [mount = ''] = config.mounts ?? []
  const prefix = prefixOf(mount)
  const demo = await startDemo(prefix)
  const options = { bodyLimit: DEMO_BODY_LIMIT, ...(typeof mount === 'object' && !Array.isArray(mount) ? mount : undefined) }
  const settings = readConfig({ ...config, mounts: [{ ...options, closeTimeout: DEMO_CLOSE_TIMEOUT, upstreams: demo.address }] })
  const running = await runHere(settings, {}, demo)
  const [address = ''] = running.addresses
  const socket = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined
  const url = socket === undefined ? address.replace(/\/\/(?:0\.0\.0\.0|\[::\]):/, '//127.0.0.1:') : 'http://localhost'
  // The terminal, also where the log goes to a file.
  standardOutput().write(showDemo({ url, socket, prefix }))
  return running
}
