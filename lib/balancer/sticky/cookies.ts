const TAB = 0x09
const SPACE = 0x20
const COMMA = 0x2c
const SEMICOLON = 0x3b
const EQUALS = 0x3d

/**
 * Value of the first cookie of that name in a Cookie header; `undefined` if there is none. It never throws, and its time is linear
 * whatever the client sends.
 * @param commas a comma or a blank separates cookies, too, and a comma ends a value (Apache)
 */
export function cookieValue (header: string | undefined, name: string, commas = false): string | undefined {
  if (header === undefined) return undefined
  for (let at = header.indexOf(name); at >= 0; at = header.indexOf(name, at + name.length)) {
    if (!begins(header, at, commas)) continue
    let next = at + name.length
    while (isBlank(header.charCodeAt(next))) next++
    if (header.charCodeAt(next) === EQUALS) return header.slice(next + 1, endOf(header, next + 1, commas)).trim()
  }
  return undefined
}

function begins (header: string, at: number, commas: boolean): boolean {
  let before = at - 1
  if (commas && before >= 0 && isBlank(header.charCodeAt(before))) return true
  while (before >= 0 && isBlank(header.charCodeAt(before))) before--
  if (before < 0) return true
  const code = header.charCodeAt(before)
  return code === SEMICOLON || (commas && code === COMMA)
}

function endOf (header: string, from: number, commas: boolean): number {
  let end = from
  for (; end < header.length; end++) {
    const code = header.charCodeAt(end)
    if (code === SEMICOLON || (commas && code === COMMA)) break
  }
  return end
}

function isBlank (code: number): boolean {
  return code === SPACE || code === TAB
}
