import { UsageError } from './errors.ts'

/** A run of what is no blank: bare characters, escaped ones, and what stands in quotes. */
const WORD = /(?:[^\s'"\\]|\\[^]|'[^']*'|"(?:[^"\\]|\\[^])*")+/y
const PART = /\\([^])|'([^']*)'|"((?:[^"\\]|\\[^])*)"/g

/**
 * The words of a command line, as a shell would have them: quotes and backslashes keep blanks together. Nothing is filled in: no variables,
 * no patterns of files, no pipes.
 * @throws UsageError
 */
export function splitWords (option: string, text: string): string[] {
  const words: string[] = []
  let at = text.length - text.trimStart().length
  while (at < text.length) {
    WORD.lastIndex = at
    const [word] = WORD.exec(text) ?? []
    if (word === undefined || /\S/.test(text[at + word.length] ?? ' ')) throw new UsageError(`${option} '${text}' has a quote that is not closed`)
    words.push(word.replace(PART, (_part, escaped?: string, single?: string, double?: string) =>
      escaped ?? single ?? (double ?? '').replace(/\\(["\\$`])/g, '$1')))
    at += word.length
    while (/\s/.test(text[at] ?? '')) at += 1
  }
  return words
}
