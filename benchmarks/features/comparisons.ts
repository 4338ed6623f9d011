import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ask, type Running } from '../lib/box.ts'
import { jobOf, type Job } from '../lib/job.ts'
import { makeText } from '../origin/replies.ts'
import { nginx, nginxWith } from '../peers/nginx.ts'
import { baseline, fastifyScgi, staticFiles, staticRoute } from '../peers/node.ts'
import type { CacheStats, CreateCacheOptions } from '../../types/cache.ts'
import type { Bench } from '../lib/bench.ts'
import type { FeatureName } from '../lib/options.ts'
import type { TargetName } from '../lib/targets.ts'
import type { Peer } from '../peers/peer.ts'

/** CPU time per request of this gateway, set up for something, over that of something else. */
export interface Comparison {
  readonly name: FeatureName
  readonly what: string
  /** The wanted ratio; undefined where the number is for information. */
  readonly most?: number
  readonly target?: TargetName
  readonly job: Job
  /** The same of another gateway, whose ratio is the wanted one. */
  readonly reference?: { readonly over: Peer, readonly under: Peer, verify (): void }
  /** The origin does what only the one in Node.js can. */
  readonly special?: boolean
  readonly ours: Peer
  /** @param port gives the one at which ours listens */
  theirs (port: () => number): Peer
  /** So many times the rounds of the others. */
  readonly rounds?: number
  /** In place of what the options say. */
  readonly connections?: number
  /** Rejects where a process of our gateway did not do what was to be measured. */
  verify? (ours: Running): Promise<void>
}

/** The files that are sent, by name. */
export const fileSizes = { '1k': 1024, '1m': 1_048_576, '100m': 104_857_600, 1048576: 1_048_576 } as const

/** What is compared. `files` is the directory of the files. */
export function comparisons ({ box, options }: Bench, files: string): Comparison[] {
  const gateway = (...settings: [Parameters<typeof fastifyScgi>[1]?, string?]): Peer => fastifyScgi(options.dist, ...settings)
  const sender = gateway({ mounts: [{ sendfile: { root: files }, internal: { '/protected/': files } }] })
  const caching = (cache: CreateCacheOptions): Peer => gateway({ cache })
  const inMemory = caching({ name: 'bench' })
  let directories = 0
  const onDisk = (root = box.dir): Peer => ({
    ...gateway(),
    start (...args) {
      // Each process has an empty one: what the last one has stored would be looked for while this one is measured. That stays where it is:
      // removing it would be felt by the file system for minutes.
      return caching({ name: 'bench', path: join(root, `cache-${++directories}`), levels: '1:2' }).start(...args)
    },
  })
  const served = (...prefixes: string[]) => () => staticFiles(files, prefixes)
  const plain = { ...jobOf('1k'), distinct: true }
  const diskStore = (name: 'disk-store' | 'tmpfs-store', place: string, root: string): Comparison => {
    const kept = join(root, 'nginx-cache')
    return {
      name,
      what: `miss of 1 kB, stored on ${place} / no cache`,
      reference: {
        over: nginxWith({ cache: { path: kept, levels: '1:2' } }, 'nginx-cached'),
        under: nginx,
        verify: () => { if (!filesBelow(kept)) throw new Error('nginx has stored nothing') },
      },
      job: { ...plain, name: `${place} store 1k` },
      ours: onDisk(root),
      theirs: () => gateway({}, 'no-cache'),
      // The file system has moods.
      rounds: 2,
      verify: allMisses,
    }
  }
  const list: Comparison[] = [
    {
      name: 'sendfile',
      what: 'X-Sendfile of 100 MB / @fastify/static',
      most: 1.0,
      job: fileJob('X-Sendfile 100m', '/sendfile/', '100m'),
      ours: sender,
      theirs: served('/sendfile/'),
      special: true,
      // A round holds two replies on each of them.
      connections: 4,
    },
    {
      name: 'redirect-1k',
      what: 'X-Accel-Redirect to a file of 1 kB / @fastify/static',
      job: fileJob('X-Accel-Redirect 1k', '/redirect/', '1k'),
      ours: sender,
      theirs: served('/redirect/'),
      special: true,
    },
    {
      name: 'redirect-1m',
      what: 'X-Accel-Redirect to a file of 1 MB / @fastify/static',
      job: fileJob('X-Accel-Redirect 1m', '/redirect/', '1m'),
      ours: sender,
      theirs: served('/redirect/'),
      special: true,
    },
    {
      name: 'memory-hit',
      what: 'hit of 1 kB in memory / Fastify route that sends the same Buffer and headers',
      most: 1.1,
      target: 'memory hit / Fastify route with the same Buffer',
      job: { ...jobOf('1k'), name: 'memory hit 1k' },
      ours: inMemory,
      theirs: (port) => staticRoute(port, ['/1k']),
      verify: allHits,
    },
    {
      name: 'disk-hit',
      what: 'hit of 1 MB on disk / @fastify/static',
      most: 1.3,
      job: fileJob('disk hit 1m', '/size/', 1048576),
      ours: onDisk(),
      theirs: served('/size/'),
      special: true,
      verify: allHits,
    },
    {
      name: 'memory-store',
      what: 'miss of 1 kB, stored in memory / no cache',
      most: 1.15,
      target: 'miss and store in memory / no cache',
      job: { ...plain, name: 'memory store 1k' },
      ours: inMemory,
      theirs: () => gateway({}, 'no-cache'),
      verify: allMisses,
    },
    { ...diskStore('disk-store', 'disk', box.dir), target: 'miss and store on disk / no cache (at most: nginx\'s ratio)' },
    ...(box.inMemory === undefined ? [] : [diskStore('tmpfs-store', 'tmpfs', box.inMemory)]),
    {
      name: 'metrics',
      what: 'plain reply of 1 kB, metrics on / off',
      most: 1.05,
      target: 'plain request, metrics on / off',
      job: jobOf('1k'),
      ours: gateway({ metrics: true }),
      theirs: () => gateway({}, 'no-metrics'),
      rounds: 2,
    },
  ]
  const { baseline: earlier } = options
  if (earlier === undefined) return list
  return [{
    name: 'plain',
    what: `plain reply of 1 kB / ${options.baselineCommit === undefined ? 'earlier build' : `commit ${options.baselineCommit}`}`,
    most: 1.03,
    job: jobOf('1k'),
    ours: gateway(),
    theirs: () => baseline(earlier),
    // What is looked for is smaller than what the machine adds to one round.
    rounds: 3,
  }, ...list]
}

function fileJob (name: string, prefix: string, file: keyof typeof fileSizes): Job {
  return {
    name,
    path: `${prefix}${file}`,
    reply: { headers: [['Content-Type', ''], ['Content-Length', '']], body: makeText(fileSizes[file]) },
  }
}

function filesBelow (directory: string): boolean {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).some((entry) => entry.isFile())
}

async function allHits (ours: Running): Promise<void> {
  const { requests, storeFailures } = await ask<CacheStats>(ours, 'cacheStats')
  // The one that checked the reply brought it.
  if (requests.MISS !== 1 || requests.HIT === 0 || storeFailures > 0) throw new Error(`not all were hits: ${JSON.stringify(requests)}`)
}

async function allMisses (ours: Running): Promise<void> {
  const { requests, entries = 0, storeFailures } = await ask<CacheStats>(ours, 'cacheStats')
  if (requests.HIT > 0 || requests.MISS === 0 || entries === 0 || storeFailures > 0) {
    throw new Error(`not all were misses that were stored: ${JSON.stringify(requests)}, ${entries} entries, ${storeFailures} failures`)
  }
}
