// What a large file costs that is sent from below a root, beside @fastify/static sending the same one.
// Run: node --import tsx benchmarks/sendfile.ts [--rounds 7] [--requests 5] [--size 100m]
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import fastifyStatic from '@fastify/static'
import Fastify, { type FastifyInstance } from 'fastify'
import { openFile, Root } from '../lib/filters/file.ts'
import { parseSize } from '../lib/units.ts'
import { cpuSince, groupCpu, settle } from './lib/cpu.ts'

const FILE = 'large.bin'

/** Each serves GET /large.bin from the directory. The first is what the others are compared with. */
const peers: Record<string, (app: FastifyInstance, directory: string) => void> = {
  '@fastify/static': (app, directory) => {
    app.register(fastifyStatic, { root: directory })
  },
  openFile: (app, directory) => {
    const roots = [new Root(directory)]
    app.get(`/${FILE}`, (_request, reply) => {
      openFile(roots, FILE, (error, file) => {
        if (error !== undefined) {
          reply.send(error)
          return
        }
        reply.raw.once('close', () => file.close())
        reply.headers({
          'content-type': file.type, 'content-length': file.size, etag: file.etag, 'last-modified': file.lastModified, 'accept-ranges': 'bytes',
        })
        reply.send(file.open())
      })
    })
  },
}

interface Running {
  readonly name: string
  readonly child: ChildProcess
  readonly group: number
  readonly url: string
}

const [role, name = '', directory = ''] = process.argv.slice(2)
if (role === 'serve') await serve(name, directory)
else await compare()

async function serve (name: string, directory: string): Promise<void> {
  const app = Fastify()
  peers[name]?.(app, directory)
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  process.send?.(address)
  process.once('disconnect', () => process.exit())
}

async function start (name: string, directory: string): Promise<Running> {
  // A process group of its own, by which its CPU time is counted.
  const child = fork(fileURLToPath(import.meta.url), ['serve', name, directory], { execArgv: ['--import', 'tsx'], detached: true })
  const [address] = await once(child, 'message')
  return { name, child, group: child.pid ?? 0, url: `${String(address)}/${FILE}` }
}

function fetchAll (url: string, expected: number): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, response => {
      let length = 0
      response.on('data', (chunk: Buffer) => { length += chunk.length })
      response.once('error', reject)
      response.once('end', () => {
        if (response.statusCode === 200 && length === expected) resolve()
        else reject(new Error(`${url}: status ${response.statusCode}, ${length} of ${expected} bytes`))
      })
    }).once('error', reject)
  })
}

async function compare (): Promise<void> {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '7' }, requests: { type: 'string', default: '5' }, size: { type: 'string', default: '100m' } },
  })
  const size = parseSize('--size', values.size)
  const requests = Number(values.requests)
  const directory = mkdtempSync(join(tmpdir(), 'sendfile-bench-'))
  const running: Running[] = []
  try {
    writeFileSync(join(directory, FILE), Buffer.alloc(1_048_576, 'x'))
    truncateSync(join(directory, FILE), size)
    for (const peer of Object.keys(peers)) running.push(await start(peer, directory))
    for (const { url } of running) await fetchAll(url, size)

    const costs = new Map<string, number[]>(running.map(({ name }) => [name, []]))
    for (let round = 0; round < Number(values.rounds); round++) {
      // Turn and turn about, each time with another first: what else the machine does meets all of them.
      for (let i = 0; i < running.length; i++) {
        const peer = running[(i + round) % running.length]
        if (peer === undefined) continue
        await settle(peer.group)
        const before = groupCpu(peer.group)
        for (let n = 0; n < requests; n++) await fetchAll(peer.url, size)
        await settle(peer.group)
        const { user, system } = cpuSince(peer.group, before)
        costs.get(peer.name)?.push((user + system) / requests * 1000)
      }
    }
    report(costs)
  } finally {
    for (const { child } of running) child.disconnect()
    rmSync(directory, { recursive: true, force: true })
  }
}

function middle (values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

function report (costs: Map<string, number[]>): void {
  const first = costs.values().next().value ?? []
  for (const [name, values] of costs) {
    const ratios = values.map((value, round) => value / (first[round] ?? NaN))
    console.log(`${name.padEnd(20)} ${middle(values).toFixed(1).padStart(8)} ms CPU a file (${Math.min(...values).toFixed(1)}–${Math.max(...values).toFixed(1)})` +
      `  ratio ${middle(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`)
  }
}
