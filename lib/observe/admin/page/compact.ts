/** A script without comments and indentation. Nothing in it may depend on them: neither a text of several lines, nor one that begins with slashes. */
export function compactScript (source: string): string {
  return source.split('\n').map(line => line.trim()).filter(line => line !== '' && !line.startsWith('//')).join('\n')
}

/** A style sheet without the blanks that mean nothing. */
export function compactStyle (source: string): string {
  return source.replace(/\s+/g, ' ').replace(/ ?([{};,>]) ?/g, '$1').replace(/: /g, ':').replaceAll(';}', '}').trim()
}
