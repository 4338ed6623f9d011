import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { join } from 'node:path'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A fenced block of a Markdown page. */
export interface Snippet {
  /** `README.md:12` */
  readonly where: string
  readonly lang: string
  readonly code: string
  /** The lines of the comment directly before it: what the test does with it. */
  readonly notes: readonly string[]
}

/** A request to make, and what must come back. */
export interface Try {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string | undefined
  readonly status: number
  /** What the body of the reply must contain. */
  readonly text: string
}

/** The fenced blocks of a page. */
export async function readSnippets (page: string): Promise<Snippet[]> {
  const lines = (await readFile(join(ROOT, page), 'utf8')).split('\n')
  const snippets: Snippet[] = []
  let notes: string[] = []
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    if (line.startsWith('<!--')) {
      for (; i < lines.length; i++) {
        const note = (lines[i] ?? '').replace(/^<!--|-->$/g, '').trim()
        if (note !== '') notes.push(note)
        if (lines[i]?.endsWith('-->')) break
      }
    } else if (line.startsWith('```')) {
      const start = i + 1
      while (++i < lines.length && lines[i] !== '```');
      snippets.push({ where: `${page}:${start}`, lang: line.slice(3), code: lines.slice(start, i).join('\n'), notes })
      notes = []
    } else if (line.trim() !== '') {
      notes = []
    }
  }
  return snippets
}

/** Reads `try: POST /path type=text/plain body=abc -> 200 text`; undefined for another note. */
export function readTry (note: string): Try | undefined {
  const match = /^try: ([A-Z]+) (\S+)((?: [\w-]+=\S+)*) -> (\d{3})(?: (.+))?$/.exec(note)
  if (match === null) return undefined
  const [, method = '', path = '', settings = '', status = '', text = ''] = match
  const headers: Record<string, string> = {}
  let body: string | undefined
  for (const setting of settings.split(' ').slice(1)) {
    const [name = '', value = ''] = setting.split(/=(.*)/s)
    if (name === 'body') body = value
    else headers[name === 'type' ? 'content-type' : name] = decodeURIComponent(value)
  }
  return { method, path, headers, body, status: Number(status), text }
}

/** Makes the request, and throws where the reply is not what was said. */
export async function check (url: string, { method, path, headers, body, status, text }: Try): Promise<void> {
  const response = await fetch(url + path, { method, headers: { connection: 'close', ...headers }, body: body ?? null, redirect: 'manual' })
  const answer = await response.text()
  const shown = `${method} ${path} gave ${response.status}:\n${[...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n')}\n\n${answer}`
  if (response.status !== status) throw new Error(`expected status ${status}; ${shown}`)
  if (!answer.includes(text)) throw new Error(`expected '${text}'; ${shown}`)
}

/** What a snippet may leave out that does not import anything itself. */
const PRELUDE = `import Fastify from 'fastify'
import scgi, { createUpstreams } from 'fastify-scgi'
const app = Fastify()
const upstreams = '127.0.0.1:4000'
`

/** A snippet as a module that exports what it has made: `app`, `server`. */
export function asModule (code: string): string {
  let text = /^import /m.test(code) ? code : `${PRELUDE}void [scgi, createUpstreams, upstreams]\n${code}`
  if (/const app = /.test(text) && !text.includes('.listen(')) text += '\nawait app.listen({ port: 8080 })'
  // The log would be in the way of the test runner.
  text = text.replace(/\blogger: true\b/g, "logger: { level: 'silent' }")
  if (text.includes('export default defineGateway(')) return asGateway(text)
  const made = /^const (app|server) = /m.exec(text)?.[1]
  return `${text}\n${made === undefined ? 'export {}' : `export { ${made} as made }`}\n`
}

/** A configuration file as a module that runs it in this process, on a port of its own, and writes no files. */
function asGateway (code: string): string {
  return `${code.replace('export default defineGateway(', 'const config = defineGateway(')}
import { runGateway } from 'fastify-scgi/config'
const { workers: _workers, pidFile: _pidFile, accessLog, ...others } = config
const quiet = typeof accessLog === 'function' ? accessLog : false
const gateway = await runGateway({ ...others, accessLog: quiet, listen: 0, log: { level: 'silent' } }, { signals: false })
export const made = { close: () => gateway.close(), server: gateway.app?.server }
`
}

/** TypeScript files of the tests, in a directory that neither git nor the linter looks at. */
export class ModuleDir implements AsyncDisposable {
  readonly path: string
  #count = 0

  private constructor (path: string) {
    this.path = path
  }

  static async create (): Promise<ModuleDir> {
    await mkdir(join(ROOT, 'coverage'), { recursive: true })
    return new ModuleDir(await mkdtemp(join(ROOT, 'coverage', 'snippets-')))
  }

  /** Writes a module and returns its path. */
  async write (text: string): Promise<string> {
    const file = join(this.path, `snippet-${this.#count++}.ts`)
    await writeFile(file, text)
    return file
  }

  /** Writes a module, runs it, and returns what it exports. */
  async run (text: string): Promise<Record<string, unknown>> {
    return import(pathToFileURL(await this.write(text)).href)
  }

  [Symbol.asyncDispose] (): Promise<void> {
    return rm(this.path, { recursive: true, force: true })
  }
}
