import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, type Box } from '../lib/box.ts'
import { kinds } from '../origin/replies.ts'
import type { CreateCacheOptions } from '../../types/cache.ts'
import type { FastifyScgiOptions } from '../../types/options.ts'
import type { ServerOptions } from '../../types/upstream.ts'
import type { Origins, Peer, StartedPeer, Transport } from './peer.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

function packageVersion (name: string): string | undefined {
  try {
    const manifest: { version?: string } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'))
    return manifest.version
  } catch {
    return undefined
  }
}

async function startApp (
  box: Box, name: string, app: string, settings: Record<string, unknown>, core: number | undefined, node = process.execPath
): Promise<StartedPeer> {
  const path = fileURLToPath(new URL(`./${app}.app.js`, import.meta.url))
  // Plain node: what is measured must not run behind a loader.
  const running = await box.start(name, node, [path, JSON.stringify(settings)], { core, announces: true, channel: true })
  return { running, port: Number(running.announced.port) }
}

function scgiTarget (origins: Origins, transport: Transport): string {
  return transport === 'unix' ? `unix:${origins.scgiPath}` : `127.0.0.1:${origins.scgiPort}`
}

/** What of Node.js a peer runs on and speaks. */
interface NodeSettings {
  /** Path of another Node.js than the one that runs the bench. */
  readonly node?: string | undefined
  /** HTTP/2 without TLS to the client, and nothing else. */
  readonly http2?: boolean
}

/** What the floor can be told besides. */
export interface FloorSettings extends NodeSettings {
  /** Processes of node:cluster, below one that hands them connections; one process and no other if undefined. */
  readonly workers?: number
  /** Exchanges at the same time; more wait. */
  readonly most?: number
}

/** How this gateway is set up, in the place of its defaults. */
export interface GatewaySettings extends NodeSettings {
  /** Options of each registration. */
  readonly mounts?: readonly Omit<FastifyScgiOptions, 'upstreams' | 'cache'>[]
  /** Options of the server, beside its address. */
  readonly server?: Omit<ServerOptions, 'address'>
  /** A cache for all of them. */
  readonly cache?: CreateCacheOptions
  /** Register the metrics too. */
  readonly metrics?: boolean
  /** Tell Fastify that no route has a schema: it does not load what compiles them. */
  readonly schemas?: false
}

/** This gateway as built in `dist`, with its defaults if nothing else is said. */
export function fastifyScgi (dist: string, { node, server, ...settings }: GatewaySettings = {}, name = 'fastify-scgi'): Peer {
  return {
    name,
    transports: ['unix', 'tcp'],
    version: () => existsSync(join(dist, 'lib/index.js')) ? packageVersion('fastify') : undefined,
    start (box, origins, transport, core) {
      const address = scgiTarget(origins, transport)
      const upstreams = server === undefined ? address : [{ address, ...server }]
      return startApp(box, `${name}-${transport}`, 'fastify-scgi', { dist, upstreams, ...settings }, core, node)
    },
  }
}

/** The command line of the build in `dist`, with so many workers; in one process without. */
export function commandLine (dist: string, workers?: number): Peer {
  const name = `fastify-scgi, ${workers ?? 'command line'}`
  return {
    name,
    transports: ['unix', 'tcp'],
    version: () => existsSync(join(dist, 'lib/run/bin.js')) ? packageVersion('fastify') : undefined,
    async start (box, origins, transport, core) {
      const port = await freePort()
      const args = ['--listen', `127.0.0.1:${port}`, ...(workers === undefined ? [] : ['--workers', String(workers)]), scgiTarget(origins, transport)]
      return { running: await box.start(name, process.execPath, [join(dist, 'lib/run/bin.js'), ...args], { core }), port }
    },
  }
}

/** Another build of this gateway, to compare with. It is copied, so `dist` may lie anywhere. */
export function baseline (dist: string): Peer {
  return {
    name: 'baseline',
    transports: ['unix', 'tcp'],
    version: () => existsSync(join(dist, 'lib/index.js')) ? packageVersion('fastify') : undefined,
    start (box, origins, transport, core) {
      const copy = join(box.dir, `baseline-${transport}`)
      if (!existsSync(copy)) {
        cpSync(dist, join(copy, 'dist'), { recursive: true })
        writeFileSync(join(copy, 'package.json'), '{ "type": "module" }')
        symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
      }
      return startApp(box, `baseline-${transport}`, 'fastify-scgi', { dist: join(copy, 'dist'), upstreams: scgiTarget(origins, transport) }, core)
    },
  }
}

/** Fastify and \@fastify/http-proxy with its defaults, in front of the HTTP origin. */
export const httpProxy: Peer = {
  name: 'http-proxy',
  transports: ['tcp'],
  version: () => packageVersion('@fastify/http-proxy'),
  start: (box, origins, transport, core) =>
    startApp(box, `http-proxy-${transport}`, 'http-proxy', { upstream: `http://127.0.0.1:${origins.httpPort}` }, core),
}

/**
 * What Fastify alone costs: a route that sends a Buffer and asks nobody.
 * @param port where it gets the Buffer and the headers from when it starts; the HTTP origin's if undefined
 */
export function staticRoute (port?: () => number, paths: readonly string[] = kinds.map((kind) => `/${kind}`)): Peer {
  return {
    name: 'static',
    transports: ['tcp'],
    version: () => packageVersion('fastify'),
    start: (box, origins, transport, core) =>
      startApp(box, `static-${transport}`, 'static', { upstream: `http://127.0.0.1:${port?.() ?? origins.httpPort}`, paths }, core),
  }
}

/** \@fastify/static with its defaults, serving a directory below each of the prefixes. */
export function staticFiles (root: string, prefixes: readonly string[]): Peer {
  return {
    name: '@fastify/static',
    transports: ['tcp'],
    version: () => packageVersion('@fastify/static'),
    start: (box, origins, transport, core) => startApp(box, 'fastify-static', 'files', { root, prefixes }, core),
  }
}

/** What Node alone costs: node:http and a bare SCGI exchange that checks nothing. */
export function floorOn ({ node, ...settings }: FloorSettings = {}, name = 'floor'): Peer {
  return {
    name,
    transports: ['unix', 'tcp'],
    version: () => process.version,
    start (box, origins, transport, core) {
      const target = transport === 'unix' ? { path: origins.scgiPath } : { host: '127.0.0.1', port: origins.scgiPort }
      return startApp(box, `${name}-${transport}`, 'floor', { target, ...settings }, core, node)
    },
  }
}

export const floor = floorOn()

/** What the gateway of the soak is told. */
export interface SoakSettings {
  readonly dist: string
  /** Addresses of the origin that keeps connections, and of the one that does what that one cannot. */
  readonly plain: readonly string[]
  readonly special: readonly string[]
  /** Directory of the files that are sent. */
  readonly files: string
  /** Directory for the cache and the mirror. */
  readonly dir: string
}

/** This gateway with everything on. */
export function soakGateway (settings: SoakSettings): Peer {
  return {
    name: 'fastify-scgi',
    transports: ['unix'],
    version: () => packageVersion('fastify'),
    start: (box, origins, transport, core) => startApp(box, 'soak', 'soak', { ...settings }, core),
  }
}
