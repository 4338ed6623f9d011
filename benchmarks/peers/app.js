import { writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'

// What the Node peers share: settings from the command line, the port announced, the profiler on request.

/** What the bench told this peer. */
export const settings = JSON.parse(process.argv[2] ?? '{}')

/** Tells the bench where this peer listens. */
export function announce (port) {
  console.log(JSON.stringify({ port }))
}

let session

process.on('message', async (message) => {
  if (message.profile === 'start') {
    session = new Session()
    session.connect()
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: 200 })
    await session.post('Profiler.start')
    process.send({ profile: 'started' })
  } else {
    const { profile } = await session.post('Profiler.stop')
    session.disconnect()
    await writeFile(message.path, JSON.stringify(profile))
    process.send({ profile: 'written' })
  }
})
