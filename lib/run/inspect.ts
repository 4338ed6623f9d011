import { createServer, type Server } from 'node:net'
import { build } from './build.ts'
import { checkDirectories } from './directories.ts'
import { mountInForce } from './in-force.ts'
import { loadConfig } from './load-config.ts'
import { Logs } from './logs.ts'
import { PidFile } from './pid-file.ts'
import { readConfig, type Settings } from './read-config.ts'
import { bindingsOf, listenOn } from './sockets.ts'
import { codeOf } from '../runtime/caught.ts'
import { collides } from './read-listen.ts'
import { askRunning } from './control.ts'
import type { GatewayConfig } from '../../types/config.ts'

async function read (config: GatewayConfig | string): Promise<Settings> {
  return readConfig(typeof config === 'string' ? await loadConfig(config) : config)
}

/**
 * Checks a configuration, and all that it names of this system: files, certificates, directories, names, sockets. Nobody is served.
 * @returns a line that says that it is right
 * @throws StartError, FST_SCGI_OPT_*
 */
export async function testConfig (config: GatewayConfig | string): Promise<string> {
  const settings = await read(config)
  PidFile.check(settings.pidFile)
  await checkDirectories(settings.mounts)
  // Plugins may write while they are loaded: that is not what was asked.
  const logs = await Logs.open({ ...settings.log, level: 'error' }, settings.accessLog, settings.fastify.logger, false)
  const { application } = await build(settings, logs)
  // All at once, as they will be: two places may be one socket.
  const open: Server[] = []
  try {
    const held = typeof config === 'string' ? await askRunning(config) : []
    for (const { place } of settings.listeners) {
      // What is passed to a service is passed to the service alone.
      if ('fd' in place || 'systemd' in place) continue
      for (const binding of await bindingsOf(place)) {
        const server = createServer()
        try {
          await listenOn(server, binding)
        } catch (error) {
          // The gateway that runs by this configuration listens there, as it should, or moves there.
          if (binding.optional || (codeOf(error) === 'EADDRINUSE' && held.some(key => collides(key, place)))) continue
          throw error
        }
        open.push(server)
      }
    }
  } finally {
    for (const server of open) server.close()
    await application.app.close()
    logs.close()
  }
  return `${typeof config === 'string' ? config : 'the command line'} is right`
}

/**
 * What is in effect, with every default, as JSON. Functions are shown by their names, and no keys and secrets at all.
 * @throws StartError, FST_SCGI_OPT_*
 */
export async function printConfig (config: GatewayConfig | string): Promise<string> {
  const { listeners, workers = typeof config === 'string' ? 1 : undefined, mounts, fastify, ...settings } = await read(config)
  const { Application } = await import('./application.ts')
  const { app } = new Application(fastify)
  const listen = listeners.map(({ place, tls, http2 }) => ({ ...place, nth: undefined, tls: tls ?? false, http2 }))
  const all = { listen, workers, fastify: { ...app.initialConfig, ...fastify }, mounts: mounts.map(mountInForce), ...settings }
  await app.close()
  return `${JSON.stringify(all, shown, 2)}\n`
}

const SECRETS = /^(?:key|cert|ca|pfx|passphrase|secret|password|ticketKeys)$/

function shown (name: string, value: unknown): unknown {
  if (typeof value === 'function') return `[function ${value.name || 'anonymous'}]`
  if (SECRETS.test(name) && value !== undefined) return '[hidden]'
  if (value instanceof RegExp) return String(value)
  return value
}
