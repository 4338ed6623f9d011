import { switched } from './checks.ts'

/** What an option takes, by its reader. */
export type Kind =
  | 'time' | 'lifetime' | 'size' | 'count' | 'number' | 'flag' | 'word' | 'text' | 'header' | 'names' | 'function' | 'predicate' | 'object' | 'list'
  | 'other'

/** How a value is checked, and what is made of it. */
export interface Reader<Value> {
  /** What it may be, the usual first. */
  readonly kinds: readonly Kind[]
  /** For `'word'`: the values that there are. */
  readonly words?: readonly (string | number | boolean)[]
  /** For `'object'`: its own options. */
  readonly rows?: Rows
  /**
   * @param option its path, for errors
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
   */
  readonly read: (option: string, value: unknown) => Value
}

/** What is said of an option. */
export interface About {
  /** As the user would write it. */
  readonly default?: string | number | boolean | readonly unknown[]
  /** What holds without the option, where no single value says it. */
  readonly otherwise?: string
  readonly required?: boolean
  /** What of its own options a value stands for that is no object: `nextUpstream: ['error']` is `{ on: ['error'] }`. */
  readonly short?: readonly string[]
  /** Directives and parameters that it stands for: `'scgi_read_timeout'`, `'nginx: weight'`, `'Apache: lbset'`. */
  readonly directives?: readonly string[]
  /** One line, in Markdown, with links as from docs/options.md. */
  readonly doc: string
}

/** An option: the one place that knows its reader, its default and what it stands for. It reads `undefined` as its default. */
export interface Row<Value = unknown> extends Reader<Value>, About {}

/** Options by their names, in the order of the documents. */
export type Rows = Readonly<Record<string, Row>>

/** What the readers make of an object of options. */
export type Values<Options extends Rows> = { readonly [Name in keyof Options]: Options[Name] extends Row<infer Value> ? Value : never }

/** An option without a default is `undefined` if it is not given; one that is required is refused then by its reader. */
export function row<Value> (reader: Reader<Value>, about: About & ({ readonly default: NonNullable<About['default']> } | { readonly required: true })): Row<Value>
export function row<Value> (reader: Reader<Value>, about: About): Row<Value | undefined>
export function row (reader: Reader<unknown>, about: About): Row {
  return {
    ...reader,
    ...about,
    read (option, value) {
      const wanted = value === undefined ? about.default : value
      return wanted === undefined && about.required !== true ? undefined : reader.read(option, wanted)
    },
  }
}

/** Kinds whose values a word of a command line or of the environment can be. */
const PLAIN: ReadonlySet<Kind> = new Set<Kind>(['time', 'lifetime', 'size', 'count', 'number', 'flag', 'word', 'text', 'header', 'names'])

/** Whether the option, or one form of it, can be said in one word. */
export function isPlain ({ kinds }: Row): boolean {
  return kinds.some(kind => PLAIN.has(kind))
}

const NUMBER = /^-?\d+(?:\.\d+)?$/

/**
 * The value that a word of a command line stands for, to be checked by the option's reader: switches are `true`, `on`, `false`, `off` and the
 * like, names are separated by commas.
 */
export function fromText ({ kinds, words = [] }: Row, text: string): unknown {
  const known = words.find(word => String(word) === text)
  if (known !== undefined) return known
  const meant = kinds.includes('flag') ? switched(text) : undefined
  if (meant !== undefined) return meant
  if (kinds.includes('names')) return text.split(',').map(name => name.trim())
  // A time without a unit is asked for its unit.
  const numeric = kinds.some(kind => kind === 'count' || kind === 'number' || kind === 'size')
  return numeric && NUMBER.test(text) ? Number(text) : text
}

/** The line of an option for a terminal. */
export function plainText (doc: string): string {
  return doc.replace(/\[([^\]]+)\]\([^)]+\)/g, '$1').replaceAll('`', '')
}
