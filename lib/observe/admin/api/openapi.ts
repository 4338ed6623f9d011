import { OPERATIONS } from './operations.ts'
import { ref, SCHEMAS } from './schemas.ts'
import type { Operation } from './route.ts'

/** What every operation may answer. */
const ERRORS = { 400: 'Bad input; nothing was done', 403: 'Not allowed', 404: 'There is no such thing', 500: 'It failed' }
const EDIT_ERRORS = {
  409: 'It cannot be, as things are',
  412: 'Somebody has edited it meanwhile',
  413: 'The body is too large',
  415: 'The body is no JSON',
  428: 'If-Match is missing',
}

/**
 * The API in OpenAPI 3.1.
 * @param base path of the API
 */
export function openApi (base: string): object {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const operation of OPERATIONS) {
    const path = operation.path.replace(/:(\w+)/g, '{$1}')
    const item = paths[path] ??= {}
    item[operation.method.toLowerCase()] = describe(operation)
  }
  paths['/openapi.json'] = { get: { summary: 'This document', responses: { 200: { description: 'OpenAPI 3.1', content: json({ type: 'object' }) } } } }
  paths['/events'] = {
    get: {
      summary: 'Groups and caches as they change: one event `state` with all of it, then, once a second at most, events `delta` with what has changed',
      responses: { 200: { description: 'Server-sent events', content: { 'text/event-stream': { schema: { type: 'string' } } } }, ...errors(ERRORS) },
    },
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'fastify-scgi admin',
      version: '1',
      description: 'Edits need a token (`GET /token`, header `x-gateway-token`), except over the socket of the gateway, and, where it is said, the ETag of what is edited in If-Match.',
    },
    servers: [{ url: base }],
    paths,
    components: { schemas: SCHEMAS },
  }
}

function describe (operation: Operation): object {
  const { method, path, summary, query = {}, body, answer, status = 200, etag, ifMatch } = operation
  const parameters = [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...Object.entries(query).map(([name, { type, description }]) => ({ name, in: 'query', description, schema: { type } })),
    ...(ifMatch === true ? [{ name: 'If-Match', in: 'header', required: true, schema: { type: 'string' } }] : []),
    ...(method === 'GET' ? [] : [{ name: 'x-gateway-token', in: 'header', schema: { type: 'string' } }]),
  ]
  return {
    summary,
    ...(parameters.length === 0 ? undefined : { parameters }),
    ...(body === undefined ? undefined : { requestBody: { required: true, content: json(ref(body)) } }),
    responses: {
      [status]: {
        description: summary,
        ...(etag === true ? { headers: { ETag: { schema: { type: 'string' } } } } : undefined),
        content: json(ref(answer)),
      },
      ...errors(method === 'GET' ? ERRORS : { ...ERRORS, ...EDIT_ERRORS }),
    },
  }
}

function errors (described: Readonly<Record<string, string>>): object {
  return Object.fromEntries(Object.entries(described).map(([status, description]) => [status, { description, content: json(ref('Error')) }]))
}

function json (schema: object): object {
  return { 'application/json': { schema } }
}
