// What the Node peers share: settings from the command line, the port announced, and what the bench has them do meanwhile. Modules are
// loaded when they are needed: start and memory at rest are measured too.

/** What the bench told this peer. */
export const settings = JSON.parse(process.argv[2] ?? '{}')

/** Where each listens; the accept queue is as long as that of the other servers. */
export const listening = { host: '127.0.0.1', port: 0, backlog: 4096 }

/** Tells the bench where this peer listens. */
export function announce (port) {
  console.log(JSON.stringify({ port }))
}

let session
let delay

/** By name; what one returns is told to the bench. */
export const commands = {
  async startProfile () {
    const { Session } = await import('node:inspector/promises')
    session = new Session()
    session.connect()
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: 200 })
    await session.post('Profiler.start')
  },

  async stopProfile (path) {
    const { profile } = await session.post('Profiler.stop')
    session.disconnect()
    const { writeFile } = await import('node:fs/promises')
    await writeFile(path, JSON.stringify(profile))
  },

  /** Bytes of the heap and beside it that are held, after a full collection. */
  async memory () {
    const [{ setFlagsFromString }, { runInNewContext }, { setTimeout }] =
      await Promise.all([import('node:v8'), import('node:vm'), import('node:timers/promises')])
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc')
    for (let n = 0; n < 3; n++) {
      await setTimeout(20)
      gc()
    }
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  },

  async watchDelay () {
    const { monitorEventLoopDelay } = await import('node:perf_hooks')
    delay ??= monitorEventLoopDelay({ resolution: 1 })
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
