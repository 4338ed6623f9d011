import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const load = createRequire(import.meta.url)

/**
 * Loads a package of CommonJS. By `import`, Node.js would first read all of its text for the names of its exports: for Fastify that takes
 * longer than to load it.
 */
export const requireCommonJs = (name: string): ReturnType<typeof load> =>
  // Found as `import` finds it, with links followed: who imports it later gets the same.
  load(fileURLToPath(import.meta.resolve(name)))
