export { fastifyScgi, fastifyScgi as default, fastifyScgi as 'module.exports' } from './plugin.ts'
export { createUpstreams } from './upstream/server-group.ts'
export * as errors from './errors.ts'
export type * from '../types/index.ts'
