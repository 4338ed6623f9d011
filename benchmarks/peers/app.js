import { writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// What the Node peers share: settings from the command line, the port announced, and what the bench has them do meanwhile.

/** What the bench told this peer. */
export const settings = JSON.parse(process.argv[2] ?? '{}')

/** Where each listens; the accept queue is as long as that of the other servers. */
export const listening = { host: '127.0.0.1', port: 0, backlog: 1024 }

/** Tells the bench where this peer listens. */
export function announce (port) {
  console.log(JSON.stringify({ port }))
}

let session
const delay = monitorEventLoopDelay({ resolution: 1 })

/** By name; what one returns is told to the bench. */
export const commands = {
  async startProfile () {
    session = new Session()
    session.connect()
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: 200 })
    await session.post('Profiler.start')
  },

  async stopProfile (path) {
    const { profile } = await session.post('Profiler.stop')
    session.disconnect()
    await writeFile(path, JSON.stringify(profile))
  },

  /** Bytes of the heap and beside it that are held, after a full collection. */
  async memory () {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc')
    for (let n = 0; n < 3; n++) {
      await setTimeout(20)
      gc()
    }
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  },

  watchDelay () {
    delay.reset()
    delay.enable()
  },

  /** The longest pause of the event loop since, in milliseconds. */
  longestDelay () {
    delay.disable()
    // The histogram counts its own period with each delay.
    return Math.max(0, delay.max / 1e6 - 1)
  },
}

process.on('message', async ({ command, value }) => {
  process.send(JSON.stringify(await commands[command](value) ?? null))
})
