import { createRequire } from 'node:module'
import type { FastifyServerOptions } from 'fastify'

type Factories = NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>
type Validators = NonNullable<Factories['buildValidator']>
type Serializers = NonNullable<Factories['buildSerializer']>

interface Load {
  (name: '@fastify/ajv-compiler'): () => Validators
  (name: '@fastify/fast-json-stringify-compiler'): () => Serializers
}

let validators: Validators | undefined
let serializers: Serializers | undefined

/**
 * Fastify's own compilers of schemas. It loads them at its start, which is a fifth of the time that a gateway takes to start, and 10 MB;
 * here the first schema does. For applications to which no code of a user adds routes: it would not lower the names of headers in a schema.
 */
export const LATE_COMPILERS: Factories = {
  buildValidator: (schemas, options) => (validators ??= packages()('@fastify/ajv-compiler')())(schemas, options),
  buildSerializer: (schemas, options) => (serializers ??= packages()('@fastify/fast-json-stringify-compiler')())(schemas, options),
}

/** They are found from where Fastify is. */
function packages (): Load {
  return createRequire(createRequire(import.meta.url).resolve('fastify'))
}
