const BLANK_OR_COMMA = /[ \t,]/

/**
 * Tells whether a list of entity tags has that of the reply in it. A comma within a tag's quotes parts nothing. An application's tag
 * without quotes is compared as it is.
 */
export function matchesTag (list: string, etag: string | undefined, weak: boolean): boolean {
  if (list === '*') return true
  if (etag === undefined || etag === '') return false
  const isWeak = etag.startsWith('W/')
  if (isWeak && !weak) return false
  const tag = isWeak ? etag.slice(2) : etag

  let at = 0
  for (;;) {
    while (at < list.length && BLANK_OR_COMMA.test(list.charAt(at))) at++
    if (at === list.length) return false
    const weakItem = list.startsWith('W/', at)
    const start = weakItem ? at + 2 : at
    const quoted = list.charAt(start) === '"' ? list.indexOf('"', start + 1) : -1
    const comma = list.indexOf(',', quoted === -1 ? start : quoted)
    const end = comma === -1 ? list.length : comma
    if ((weak || !weakItem) && list.slice(start, end).trimEnd() === tag) return true
    at = end
  }
}

/** Whether a list of entity tags has this one in it, compared weakly (RFC 9110 section 8.8.3.2). */
export function listsTag (list: string, etag: string): boolean {
  return matchesTag(list, etag, true)
}
