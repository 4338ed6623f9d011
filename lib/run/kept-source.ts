import { register } from 'node:module'

/** What a worker's variable says if it is to load the configuration that the primary has kept, not that of the file. */
export const KEPT = 'kept'

// Modules are read by the thread of the loader, which these run in.
const HOOKS = `
let kept
export function initialize (data) { kept = data }
export async function resolve (specifier, context, next) {
  const found = next(specifier, context)
  return specifier === kept.url ? await found.catch(() => ({ url: kept.url, format: 'module', shortCircuit: true })) : await found
}
export async function load (url, context, next) {
  if (url !== kept.url) return await next(url, context)
  const found = await next(url, context).catch(() => undefined)
  return { format: found?.format ?? context.format ?? 'module', source: kept.source, shortCircuit: true }
}`

/** From now on a module is what it was, whatever its file has now. */
export function keepSource (url: string, source: string): void {
  register(`data:text/javascript,${encodeURIComponent(HOOKS)}`, { data: { url, source } })
}
