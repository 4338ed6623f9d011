import { get } from 'node:http'
import { note, type Bench } from '../lib/bench.ts'
import { waitForPort } from '../lib/check.ts'
import { spread } from '../lib/stats.ts'
import { fastifyScgi } from '../peers/node.ts'
import type { Outcome } from '../lib/report.ts'
import type { Transport } from '../peers/peer.ts'

const seconds = 10
const most = 5
/** Bytes a second, by X-Accel-Limit-Rate: the reply of the first is one Buffer, that of the last goes through a temporary file. */
const toClient = [1000, 20_000, 200_000, 2_000_000, 10_000_000]
/** Bytes a second, by limitRate. A read is of 64 KiB at most: at a lower rate one of them is worth a good part of the ten seconds. */
const fromApplication = [200_000, 2_000_000, 10_000_000]

/** How far the rates that a client sees are from what was set, all of them at the same time. */
export async function measureRates ({ box, options, origins, cores }: Bench, transport: Transport): Promise<Outcome[]> {
  const mounts = fromApplication.map((limitRate) => ({ prefix: `/from/${limitRate}`, limitRate }))
  const { running, port } = await fastifyScgi(options.dist, { mounts: [{}, ...mounts] }).start(box, origins, transport, cores.gateway)
  await waitForPort(port, 'fastify-scgi')
  note(`rate: ${seconds} seconds`)
  const size = (rate: number): number => rate * (seconds + 3)
  const measure = (rates: readonly number[], path: (rate: number) => string): Promise<number[]> => Promise.all(
    rates.map(async (rate) => 100 * Math.abs(await download(port, path(rate)) / rate - 1)))
  const [client, application] = await Promise.all([
    measure(toClient, (rate) => `/limit/${rate}/${size(rate)}`),
    measure(fromApplication, (rate) => `/from/${rate}/size/${size(rate)}`),
  ])
  await box.stop(running)
  return [
    outcome('X-Accel-Limit-Rate', toClient, client),
    outcome('limitRate', fromApplication, application),
  ]
}

/** The worst of them counts. */
function outcome (name: string, rates: readonly number[], deviations: readonly number[]): Outcome {
  const seen = spread(deviations)
  const figures = rates.map((rate) => rate >= 1e6 ? `${rate / 1e6}M` : `${rate / 1000}k`)
  return { what: `${name} of ${figures.join(', ')} B/s: deviation over ${seconds} s`, unit: '%', most, measured: { ...seen, median: seen.max } }
}

/** Bytes a second of a reply, from its head on. */
function download (port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      const begun = performance.now()
      let bytes = 0
      response.on('data', (chunk: Buffer) => { bytes += chunk.length })
      response.once('end', () => reject(new Error(`rate: ${path} ended after ${bytes} bytes`)))
      response.once('error', reject)
      if (response.statusCode !== 200) reject(new Error(`rate: status ${response.statusCode} for ${path}`))
      setTimeout(() => {
        resolve(bytes * 1000 / (performance.now() - begun))
        request.once('error', () => {}).destroy()
      }, seconds * 1000)
    })
    request.once('error', reject)
  })
}
