/** Headers that are lists, to which whoever answers adds (RFC 9110 section 5.3). */
const LISTS = new Set([
  'vary', 'link', 'via', 'warning', 'server-timing', 'access-control-expose-headers', 'access-control-allow-headers', 'access-control-allow-methods',
  'content-security-policy', 'content-security-policy-report-only', 'timing-allow-origin',
])

/** A field, by its name in lower case, to which others may have added before. */
export function isList (name: string): boolean {
  return LISTS.has(name) || name === 'set-cookie'
}

/** The members of lists of names, each once; what else is listed is not taken apart. */
export function union (name: string, lists: readonly string[]): string {
  const members = new Map<string, string>()
  const names = name === 'vary' || name.startsWith('access-control-')
  for (const member of names ? lists.flatMap(list => list.split(',')) : lists) {
    const text = member.trim()
    if (text !== '' && !members.has(text.toLowerCase())) members.set(text.toLowerCase(), text)
  }
  return name === 'vary' && members.has('*') ? '*' : [...members.values()].join(', ')
}
