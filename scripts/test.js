// npm test: `node scripts/test.js ARGUMENTS OF node --test`. Compiles what is not compiled yet, in one process: one for each of some hundred files
// takes much longer. Then tells all of them the state of `lib/`, so that none has to look for it.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { stateOf } from './typescript-bundle.js'
import { compileAll } from './typescript-hooks.js'

process.env.FASTIFY_SCGI_TEST_STATE = stateOf()
// Node.js reads these before anything else, which takes 80 ms for each file of tests and each program that one starts. None of them leaves loopback.
delete process.env.NODE_EXTRA_CA_CERTS
await compileAll()
const hooks = fileURLToPath(new URL('typescript.js', import.meta.url))
const run = spawn(process.execPath, ['--import', hooks, '--test', ...process.argv.slice(2)], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { run.kill(signal) })
run.on('close', (code, signal) => { process.exitCode = signal === null ? code : 1 })
