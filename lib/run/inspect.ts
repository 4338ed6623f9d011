import { createServer } from 'node:net'
import { build } from './build.ts'
import { loadConfig } from './load-config.ts'
import { Logs } from './logs.ts'
import { readConfig, type Settings } from './read-config.ts'
import { bindingsOf, listenOn } from './sockets.ts'
import { codeOf } from '../runtime/caught.ts'
import { keyOf } from './read-listen.ts'
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
  // Plugins may write while they are loaded: that is not what was asked.
  const logs = await Logs.open({ ...settings.log, level: 'error' }, settings.accessLog, settings.fastify.logger, false)
  const { application } = await build(settings, logs)
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
          // The gateway that runs by this configuration listens there, as it should.
          if (binding.optional || (codeOf(error) === 'EADDRINUSE' && held.includes(keyOf(place)))) continue
          throw error
        }
        await new Promise(resolve => server.close(resolve))
      }
    }
  } finally {
    await application.app.close()
    logs.close()
  }
  return `${typeof config === 'string' ? config : 'the command line'} is right`
}

/**
 * What is in force, with every default, as JSON. Functions are shown by their names, and no keys and secrets at all.
 * @throws StartError, FST_SCGI_OPT_*
 */
export async function printConfig (config: GatewayConfig | string): Promise<string> {
  const { listeners, workers = typeof config === 'string' ? 1 : undefined, ...settings } = await read(config)
  const listen = listeners.map(({ place, tls, http2 }) => ({ ...place, tls: tls ?? false, http2 }))
  return `${JSON.stringify({ listen, workers, ...settings }, shown, 2)}\n`
}

const SECRETS = /^(?:key|cert|ca|pfx|passphrase|secret|password|ticketKeys)$/

function shown (name: string, value: unknown): unknown {
  if (typeof value === 'function') return `[function ${value.name || 'anonymous'}]`
  if (SECRETS.test(name) && value !== undefined) return '[hidden]'
  if (value instanceof RegExp) return String(value)
  return value
}
