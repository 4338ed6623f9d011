import { createCache } from './cache/create.ts'
import * as errors from './errors.ts'
import { fastifyScgi } from './plugin.ts'
import { ScgiClient } from './scgi/client.ts'
import { createUpstreams } from './upstream/server-group.ts'

/** What `require('fastify-scgi')` gives: the plugin, and the rest as its properties. */
const commonjs = Object.assign(fastifyScgi, { default: fastifyScgi, fastifyScgi, createCache, createUpstreams, ScgiClient, errors })

export { fastifyScgi, fastifyScgi as default, createCache, createUpstreams, ScgiClient, errors, commonjs as 'module.exports' }
export type { ScgiClientOptions, ScgiClientRequest, ScgiClientResponse, ScgiParamBytes } from './scgi/client.ts'
export type * from '../types/index.ts'
