import type { RequestView } from './params.ts'

/**
 * The same request with headers that are not the client's, instead of its own of those names.
 * @param added by lower-case name; `undefined` for one that is left out
 */
export function withHeaders<View extends RequestView> (view: View, added: Readonly<Record<string, string | undefined>> | undefined): View {
  if (added === undefined) return view
  const lines = view.rawHeaders
  // Names stand at the even places, each before its value.
  const rawHeaders = lines.filter((_, index) => !Object.hasOwn(added, lines[index & ~1]?.toLowerCase() ?? ''))
  for (const [name, value] of Object.entries(added)) if (value !== undefined) rawHeaders.push(name, value)
  const copy: View = Object.create(Object.getPrototypeOf(view))
  return Object.assign(copy, view, { headers: { ...view.headers, ...added }, rawHeaders })
}
