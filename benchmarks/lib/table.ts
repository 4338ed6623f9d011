import type { Spread } from './stats.ts'

/** Three digits. */
export function digits (value: number): string {
  if (Number.isNaN(value)) return '–'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

export function range ({ min, max }: Spread): string {
  return `${digits(min)}–${digits(max)}`
}

/** Lines of cells as one table that reads as text and as Markdown. */
export function formatTable (head: readonly string[], lines: readonly (readonly string[])[], textColumns: number): string {
  const widths = head.map((cell, column) => Math.max(cell.length, ...lines.map((line) => line[column]?.length ?? 0)))
  const format = (line: readonly string[]): string => `| ${widths.map((width, column) => {
    const cell = line[column] ?? ''
    return column < textColumns ? cell.padEnd(width) : cell.padStart(width)
  }).join(' | ')} |`
  const rule = `|${widths.map((width, column) => column < textColumns ? '-'.repeat(width + 2) : '-'.repeat(width + 1) + ':').join('|')}|`
  return [format(head), rule, ...lines.map(format)].join('\n')
}

/** The lines of cells of such a table, without its head. */
export function readTable (text: string): string[][] {
  return text.split('\n').filter((line) => line.startsWith('| ')).slice(1)
    .map((line) => line.slice(1, -1).split(' | ').map((cell) => cell.trim()))
}
