import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { kinds } from '../origin/replies.ts'
import { description } from './description.ts'
import { targetTable, type Measured } from './targets.ts'

/** The blocks of the page, from its head. Another run replaces those that it has measured, and no others. */
const blocks = [
  'targets', ...kinds.map((kind) => `replies-${kind}` as const), 'connections', 'reuse', 'http2', 'node', 'latency', 'workers', 'start', 'memory',
  'instructions', 'features-plain', 'features-cache', 'features-files', 'features-metrics', 'features-loader', 'features-rate', 'soak', 'description',
] as const

export type Block = typeof blocks[number]

/** What a run has to say in one block. */
export interface Section {
  readonly block: Block
  readonly title: string
  /** Tables and what must be known to read them. */
  readonly text: string
  readonly measured?: readonly Measured[]
  /** How often it was measured. */
  readonly rounds?: string
}

const intro = `# Benchmarks

Ratios are what counts: run it on your own machine and read those, not the absolute numbers. Each section is written by a run of
\`npm run bench\`, which it names, and stays until another run measures the same.
`

const targetsIntro = `## Targets

CPU time per request where nothing else is said, as a ratio of rounds that followed one another directly: the median, and the
quartiles, between which half of them are.
`

function begin (block: Block): string {
  return `<!-- ${block}: -->`
}

function end (block: Block): string {
  return `<!-- :${block} -->`
}

/** The blocks of a page by name, without their marks. */
export function readBlocks (page: string): Map<Block, string> {
  const found = new Map<Block, string>()
  for (const block of blocks) {
    const from = page.indexOf(begin(block))
    const to = page.indexOf(end(block))
    if (from !== -1 && to > from) found.set(block, page.slice(from + begin(block).length, to).trim())
  }
  return found
}

/** What was run. */
export interface Run {
  readonly command: string
  /** The machine, what it ran, and what it did besides. */
  readonly state: string
  /** The same in short, for the table of targets. */
  readonly short: string
}

/** A page with some sections in the place of earlier ones. */
export function updatePage (page: string, sections: readonly Section[], { command, state, short }: Run): string {
  const texts = readBlocks(page)
  for (const { block, title, text, rounds } of sections) {
    const often = rounds === undefined || rounds === '' ? '' : ` ${rounds}`
    texts.set(block, `## ${title}\n\n${state}${often}\n\`${command}\`\n\n${text.trim()}`)
  }
  const measured = sections.flatMap((section) => section.measured ?? [])
  texts.set('targets', `${targetsIntro}\n${targetTable(texts.get('targets') ?? '', measured, short)}`)
  texts.set('description', description)
  const written = blocks.flatMap((block) => {
    const text = texts.get(block)
    return text === undefined ? [] : [`${begin(block)}\n\n${text}\n\n${end(block)}\n`]
  })
  return `${intro}\n${written.join('\n')}`
}

/** The same for the page at `path`. */
export function writePage (path: string, sections: readonly Section[], run: Run): void {
  writeFileSync(path, updatePage(existsSync(path) ? readFileSync(path, 'utf8') : '', sections, run))
}
