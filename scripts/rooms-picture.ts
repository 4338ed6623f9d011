// npm run rooms:picture writes the picture of who imports whom into ARCHITECTURE.md, from the imports as they are.
import { readFileSync, writeFileSync } from 'node:fs'
import { cruise } from 'dependency-cruiser'

const PAGE = new URL('../ARCHITECTURE.md', import.meta.url)
const MARKED = /(<!-- rooms -->\n).*?(<!-- \/rooms -->)/s
/** Everybody may import these: their arrows would hide the others. */
const GROUND = new Set(['bytes', 'files', 'http', 'options', 'runtime'])

interface Module {
  source: string
  dependencies: { resolved: string }[]
}

function roomOf (file: string): string | undefined {
  return /^lib\/([^/]+)\//.exec(file)?.[1]
}

function isCruised (output: unknown): output is { modules: Module[] } {
  return typeof output === 'object' && output !== null && 'modules' in output
}

/** The rooms that each room imports. */
async function readArrows (): Promise<Map<string, Set<string>>> {
  const { output } = await cruise(['lib'], { tsPreCompilationDeps: true, doNotFollow: { path: 'node_modules' } })
  if (!isCruised(output)) throw new Error('dependency-cruiser gave no modules')
  const arrows = new Map<string, Set<string>>()
  for (const { source, dependencies } of output.modules) {
    const from = roomOf(source)
    if (from === undefined || GROUND.has(from)) continue
    const known = arrows.get(from) ?? new Set()
    arrows.set(from, known)
    for (const { resolved } of dependencies) {
      const to = roomOf(resolved)
      if (to !== undefined && to !== from && !GROUND.has(to)) known.add(to)
    }
  }
  return arrows
}

/** Whether one room is reached from another without the direct arrow. */
function isReached (arrows: Map<string, Set<string>>, from: string, to: string): boolean {
  const seen = new Set<string>()
  const open = [...arrows.get(from) ?? []].filter(room => room !== to)
  for (let room = open.pop(); room !== undefined; room = open.pop()) {
    if (seen.has(room)) continue
    seen.add(room)
    if (arrows.get(room)?.has(to) === true) return true
    open.push(...arrows.get(room) ?? [])
  }
  return false
}

const arrows = await readArrows()
const lines = [...arrows.keys()].sort().flatMap(from => {
  const shown = [...arrows.get(from) ?? []].filter(to => !isReached(arrows, from, to)).sort()
  return shown.length === 0 ? [`  ${from}`] : shown.map(to => `  ${from} --> ${to}`)
})
const page = readFileSync(PAGE, 'utf8')
writeFileSync(PAGE, page.replace(MARKED, `$1\`\`\`mermaid\nflowchart TD\n${lines.join('\n')}\n\`\`\`\n$2`))
