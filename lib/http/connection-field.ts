const NONE: ReadonlySet<string> = new Set()

/** Lower-case names of the fields that a Connection field makes ones of that connection alone (RFC 9110 section 7.6.1). */
export function namedByConnection (field: string | string[] | undefined): ReadonlySet<string> {
  if (field === undefined) return NONE
  return new Set((typeof field === 'string' ? field : field.join(',')).toLowerCase().split(',').map(name => name.trim()))
}
