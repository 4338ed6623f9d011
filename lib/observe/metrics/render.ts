import { prometheusContentType, openMetricsContentType } from 'prom-client'
import type { MetricsRegistry } from '../../../types/metrics.ts'

/** A format of metrics. */
export interface Format {
  readonly contentType: string
  /** Counters have their `_total` in samples only, exemplars are shown, and the end is marked. */
  readonly open: boolean
}

const TEXT: Format = { contentType: prometheusContentType, open: false }
const OPEN: Format = { contentType: openMetricsContentType, open: true }

export function formatOf (open: boolean): Format {
  return open ? OPEN : TEXT
}

/** The format that a scraper likes best; OpenMetrics only where it asks for it. */
export function formatFor (accept: string | undefined): Format {
  let text = 0
  let open = 0
  for (const part of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = part.split(';').map(piece => piece.trim().toLowerCase())
    const given = Number(parameters.find(parameter => parameter.startsWith('q='))?.slice(2) ?? 1)
    const quality = Number.isFinite(given) ? given : 0
    if (type === 'application/openmetrics-text') open = Math.max(open, quality)
    else if (type === 'text/plain') text = Math.max(text, quality)
  }
  return open > 0 && open >= text ? OPEN : TEXT
}

interface ShownExemplar {
  readonly labelSet: Readonly<Record<string, unknown>>
  readonly value: number
  readonly timestamp?: number
}

/** What prom-client gives, where its types are silent: whose sample it is, and an exemplar. */
interface Sample {
  readonly value: number
  readonly labels: Readonly<Record<string, unknown>>
  readonly metricName?: string
  readonly exemplar?: ShownExemplar | null | undefined
}

/**
 * Writes a registry down. prom-client can do so itself, but a registry of its has one format for good, and once it has written
 * OpenMetrics its counters have lost their names in the other format.
 */
export async function render (registry: MetricsRegistry, { open }: Format): Promise<string> {
  const lines: string[] = []
  for (const { name, help, type, values } of await registry.getMetricsAsJSON()) {
    const kind = String(type)
    const family = open && kind === 'counter' ? name.replace(/_total$/, '') : name
    lines.push(`# HELP ${family} ${escaped(help, open)}`, `# TYPE ${family} ${kind}`)
    const samples: readonly Sample[] = values
    for (const { value, labels, metricName = name, exemplar } of samples) {
      const sample = open && kind === 'counter' ? `${family}_total` : metricName
      let line = `${sample}${labelled(labels)} ${numeral(value)}`
      if (open && exemplar !== undefined && exemplar !== null) {
        line += ` # ${labelled(exemplar.labelSet) || '{}'} ${numeral(exemplar.value)}`
        if (exemplar.timestamp !== undefined) line += ` ${exemplar.timestamp}`
      }
      lines.push(line)
    }
  }
  if (open) lines.push('# EOF')
  return `${lines.join('\n')}\n`
}

function labelled (labels: Readonly<Record<string, unknown>>): string {
  let text = ''
  for (const name in labels) text += `${text === '' ? '' : ','}${name}="${escaped(String(labels[name]), true)}"`
  return text === '' ? '' : `{${text}}`
}

function escaped (text: string, quotes: boolean): string {
  if (!/[\\\n"]/.test(text)) return text
  const plain = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return quotes ? plain.replaceAll('"', '\\"') : plain
}

function numeral (value: number): string {
  return value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value)
}
