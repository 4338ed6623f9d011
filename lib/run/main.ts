import cluster from 'node:cluster'
import { createRequire } from 'node:module'
import { readArguments } from './arguments.ts'
import { codeOf } from '../runtime/caught.ts'
import { messageOf, UsageError } from './errors.ts'
import { runGateway } from './index.ts'
import { plainHelp } from './plain-options.ts'
import { USAGE } from './usage.ts'
import { WORKER_ENV } from './messages.ts'

// Who serves does not pay for the other commands: each is loaded where it is asked for.

/** The command `fastify-scgi`. Ends the process itself where it has to end with a code. */
export async function main (args: string[]): Promise<void> {
  try {
    if (args[0] === 'ctl') {
      const { ctl } = await import('./ctl.ts')
      print(await ctl(args.slice(1)))
      return
    }
    const wanted = readArguments(args)
    if (wanted.what === 'help') print(USAGE)
    else if (wanted.what === 'help-options') print(plainHelp())
    else if (wanted.what === 'version') print(`${version()}\n`)
    else if (wanted.what === 'reload') {
      const { sendReload } = await import('./reload.ts')
      print(`${await sendReload(wanted)}\n`)
    } else if (wanted.what === 'print' || wanted.what === 'test') {
      const { printConfig, testConfig } = await import('./inspect.ts')
      print(wanted.what === 'print' ? await printConfig(wanted.config) : `${await testConfig(wanted.config)}\n`)
    } else if (wanted.what === 'demo') {
      const { runDemo } = await import('./demo.ts')
      await runDemo(wanted.config)
    } else await runGateway(wanted.config)
  } catch (error) {
    if (cluster.isWorker && process.env[WORKER_ENV] !== undefined) {
      const { reportFailure } = await import('./worker.ts')
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
