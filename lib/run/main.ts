import { createRequire } from 'node:module'
import { readArguments, type GatewayArguments } from './arguments.ts'
import { codeOf, toError } from '../runtime/caught.ts'
import { StartError, UsageError } from './errors.ts'
import { startGateway } from './gateway.ts'
import { LogWriter } from './log.ts'
import { Signals } from './signals.ts'
import { USAGE } from './usage.ts'

/** The command `fastify-scgi`. Ends the process itself where it has to end with a code. */
export async function main (args: string[]): Promise<void> {
  try {
    const wanted = readArguments(args)
    if (wanted === 'help') print(USAGE)
    else if (wanted === 'version') print(`${version()}\n`)
    else await serve(wanted)
  } catch (error) {
    const [line, code] = explain(error)
    process.stderr.write(`fastify-scgi: ${line}\n`)
    process.exit(code)
  }
}

async function serve (wanted: GatewayArguments): Promise<void> {
  const writer = openLog(wanted.logFile)
  const signals = new Signals(writer)
  signals.speakTo(await startGateway(wanted, writer))
}

function openLog (path: string | undefined): LogWriter {
  try {
    return new LogWriter(path)
  } catch (error) {
    throw new StartError(`cannot open the log file: ${toError(error).message}`)
  }
}

/** `fastify-scgi --help | head -1` is no reason to die. */
function print (text: string): void {
  process.stdout.on('error', ignoreClosedPipe)
  process.stdout.write(text)
}

function explain (error: unknown): [line: string, code: number] {
  if (error instanceof UsageError) return [`${error.message}\nTry 'fastify-scgi --help'.`, 2]
  if (error instanceof StartError) return [error.message, 1]
  // One line for whoever starts it; a stack tells them nothing.
  const message = error instanceof Error ? error.message.replace(/^fastify-scgi: /, '') : String(error)
  return codeOf(error)?.startsWith('FST_SCGI_OPT_') === true ? [`${message}\nTry 'fastify-scgi --help'.`, 2] : [message, 1]
}

function version (): string {
  // By the package's own name: the file is elsewhere for the sources than for the build.
  const manifest: unknown = createRequire(import.meta.url)('fastify-scgi/package.json')
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown'
}

function ignoreClosedPipe (error: Error): void {
  if (codeOf(error) !== 'EPIPE') throw error
}
