type Values = Record<string, string | string[] | null>

/** A request header's value for comparison: several lines are what one line with commas would be; null if there is none. */
function valueOf (headers: Values | undefined, name: string): string | null {
  // `Vary: constructor` must not find what every object has.
  if (headers === undefined || !Object.hasOwn(headers, name)) return null
  const value = headers[name] ?? null
  return Array.isArray(value) ? value.join(', ') : value
}

/** Whether a request gets the variant that was made for these values. */
export function varyMatches (vary: Values | undefined, headers: Values | undefined): boolean {
  if (vary === undefined) return true
  for (const name of Object.keys(vary)) if (valueOf(vary, name) !== valueOf(headers, name)) return false
  return true
}

/** The names of the headers that select a variant, in an order of their own. */
export function varyNames (vary: Values | undefined): string[] {
  return vary === undefined ? [] : Object.keys(vary).sort()
}

/** One text for all requests that get the same variant. */
export function variantText (method: string, names: readonly string[], headers: Values | undefined): string {
  let text = method
  for (const name of names) {
    const value = valueOf(headers, name)
    // No header has a line break in it.
    text += value === null ? `\n${name}` : `\n${name}:${value}`
  }
  return text
}
