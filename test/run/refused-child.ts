// A program whose gateway cannot start, and which ends in its own way.
import { runGateway } from '../../lib/run/index.ts'

await runGateway({ listen: 'unix:/dev/null/socket', workers: 1, log: { level: 'silent' } }).catch((error: unknown) => {
  const alive = setInterval(() => {}, 60_000)
  process.on('SIGTERM', () => {
    process.exitCode = 7
    setImmediate(() => clearInterval(alive))
  })
  process.stdout.write(`${String(error)}\n`)
})
