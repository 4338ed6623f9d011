import { randomBytes } from 'node:crypto'
import { agesOf, listEntries } from '../api/cache-operations.ts'
import { cacheModel, requestModel } from '../api/model.ts'
import { processModel } from '../api/operations.ts'
import { STEPS } from '../accounts/history.ts'
import { isRecord } from '../../../options/checks.ts'
import { toError } from '../../../runtime/caught.ts'
import { baseOf } from '../base.ts'
import { cachePage, overviewPage, policy, type CacheView, type Frame } from './document.ts'
import { SCRIPT } from './script.ts'
import { STYLE } from './style.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AdminService } from '../service.ts'

/** Serves the page. */
export function servePage (scope: FastifyInstance, service: AdminService, token: (request: FastifyRequest) => string): void {
  const base = baseOf(scope)
  const frameOf = (request: FastifyRequest, reply: FastifyReply): Frame => {
    const nonce = randomBytes(16).toString('base64url')
    reply.header('content-security-policy', policy(nonce)).type('text/html; charset=utf-8')
    return { base, token: token(request), nonce, now: service.now() }
  }
  scope.get('/', (request, reply) => overviewPage(frameOf(request, reply), {
    groups: service.models(STEPS),
    caches: service.caches.map(cache => cacheModel(cache, service.baseOf(cache))),
    failed: service.requests.failed.map(requestModel),
    slow: service.requests.slow.map(requestModel),
    edits: service.edits,
    process: processModel(),
  }))
  scope.get('/caches/:cache', async (request, reply) => {
    const params = isRecord(request.params) ? { cache: String(request.params['cache']) } : { cache: '' }
    const query = isRecord(request.query) ? request.query : {}
    return cachePage(frameOf(request, reply), await viewOf(service, params, query))
  })
  scope.get('/page.css', (_request, reply) => reply.type('text/css; charset=utf-8').send(STYLE))
  scope.get('/page.js', (_request, reply) => reply.type('text/javascript; charset=utf-8').send(SCRIPT))
}

async function viewOf (
  service: AdminService, params: { readonly cache: string }, query: Readonly<Record<string, unknown>>
): Promise<CacheView> {
  const cache = service.cache(params.cache)
  const { search, offset } = query
  const view = { cache: cacheModel(cache, service.baseOf(cache)), search: typeof search === 'string' ? search : '', offset: Number(offset ?? 0) }
  try {
    const [listed, ages] = await Promise.all([listEntries({ service, params, query }), agesOf(cache, service.now())])
    return { ...view, listed, ages }
  } catch (error) {
    // A store that lists nothing, or a search that is none: the rest is to be seen all the same.
    return { ...view, offset: 0, listed: { problem: toError(error).message }, ages: undefined }
  }
}
