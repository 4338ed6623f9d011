import cluster from 'node:cluster'
import { createRequire } from 'node:module'
import { readArguments } from './arguments.ts'
import { codeOf } from '../runtime/caught.ts'
import { ctl } from './ctl.ts'
import { UsageError } from './errors.ts'
import { printConfig, testConfig } from './inspect.ts'
import { runGateway } from './index.ts'
import { plainHelp } from './plain-options.ts'
import { sendReload } from './reload.ts'
import { USAGE } from './usage.ts'
import { messageOf, reportFailure } from './worker.ts'
import { WORKER_ENV } from './worker-link.ts'

/** The command `fastify-scgi`. Ends the process itself where it has to end with a code. */
export async function main (args: string[]): Promise<void> {
  try {
    if (args[0] === 'ctl') {
      print(await ctl(args.slice(1)))
      return
    }
    const wanted = readArguments(args)
    if (wanted.what === 'help') print(USAGE)
    else if (wanted.what === 'help-options') print(plainHelp())
    else if (wanted.what === 'version') print(`${version()}\n`)
    else if (wanted.what === 'reload') print(`${await sendReload(wanted)}\n`)
    else if (wanted.what === 'print') print(await printConfig(wanted.config))
    else if (wanted.what === 'test') print(`${await testConfig(wanted.config)}\n`)
    else if (wanted.what === 'demo') {
      // Nobody else pays for the application of the demo.
      const { runDemo } = await import('./demo.ts')
      await runDemo(wanted.config)
    } else await runGateway(wanted.config)
  } catch (error) {
    if (cluster.isWorker && process.env[WORKER_ENV] !== undefined) {
      reportFailure(error)
      return
    }
    const [line, code] = explain(error, args[0] === 'ctl' ? 'fastify-scgi ctl --help' : 'fastify-scgi --help')
    process.stderr.write(`fastify-scgi: ${line}\n`)
    process.exit(code)
  }
}

/** `fastify-scgi --help | head -1` is no reason to die. */
function print (text: string): void {
  process.stdout.on('error', ignoreClosedPipe)
  process.stdout.write(text)
}

function explain (error: unknown, help: string): [line: string, code: number] {
  if (error instanceof UsageError) return [`${error.message}\nTry '${help}'.`, 2]
  // One line for whoever starts it; a stack tells them nothing.
  return [messageOf(error), 1]
}

function version (): string {
  // By the package's own name: the file is elsewhere for the sources than for the build.
  const manifest: unknown = createRequire(import.meta.url)('fastify-scgi/package.json')
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown'
}

function ignoreClosedPipe (error: Error): void {
  if (codeOf(error) !== 'EPIPE') throw error
}
