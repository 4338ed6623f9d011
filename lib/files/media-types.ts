import { createRequire } from 'node:module'
import type send from '@fastify/send'

const require = createRequire(import.meta.url)
const UNKNOWN = 'application/octet-stream'

let types: Pick<typeof send.mime, 'getType'> | undefined

/** Loads the table of media types, which an application that sends no files does not need; at the latest, the first file does. */
export function loadMediaTypes (): Pick<typeof send.mime, 'getType'> {
  if (types === undefined) {
    const loaded: { mime: Pick<typeof send.mime, 'getType'> } = require('@fastify/send')
    types = loaded.mime
  }
  return types
}

/** Media type by the extension of a name, without a charset; `application/octet-stream` where the extension says nothing. */
export function mediaTypeOf (name: string): string {
  return loadMediaTypes().getType(name) ?? UNKNOWN
}
