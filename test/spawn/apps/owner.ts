// A process that owns an application: it tells where that listens, and lives until it is killed.
import { OwnApplication } from '../../../lib/spawn/application.ts'
import { readSpawn } from '../../../lib/spawn/options.ts'

const application = new OwnApplication('spawn', readSpawn('spawn', JSON.parse(process.argv[2] ?? '')), {
  onServers () {},
  onProcess ({ pid, state }) { console.log(JSON.stringify({ pid, state })) },
  onOutput ({ line }) { console.log(JSON.stringify({ line })) },
})
console.log(JSON.stringify({ servers: await application.start() }))
process.stdin.resume()
