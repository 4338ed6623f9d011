import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { agesOf, listEntries } from '../api/cache-operations.ts'
import { STEPS } from '../accounts/history.ts'
import { FST_SCGI_ADMIN_NOT_FOUND } from '../../../errors.ts'
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
  scope.get('/', async (request, reply) => overviewPage(frameOf(request, reply), await service.overall(STEPS)))
  scope.get('/caches/:cache', async (request, reply) => {
    const params = isRecord(request.params) ? { cache: String(request.params['cache']) } : { cache: '' }
    const query = isRecord(request.query) ? request.query : {}
    return cachePage(frameOf(request, reply), await viewOf(service, params, query))
  })
  serveFile(scope, '/page.css', 'text/css', STYLE)
  serveFile(scope, '/page.js', 'text/javascript', SCRIPT)
}

/** Takes gzip, whatever else. */
const GZIP = /(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)/i

/** A part of the page that is always the same: a phone gets it in a third of its size. */
function serveFile (scope: FastifyInstance, path: string, type: string, text: string): void {
  const packed = gzipSync(text)
  scope.get(path, (request, reply) => {
    reply.type(`${type}; charset=utf-8`).header('vary', 'accept-encoding')
    return GZIP.test(request.headers['accept-encoding'] ?? '') ? reply.header('content-encoding', 'gzip').send(packed) : reply.send(text)
  })
}

async function viewOf (
  service: AdminService, params: { readonly cache: string }, query: Readonly<Record<string, unknown>>
): Promise<CacheView> {
  const cache = service.cache(params.cache)
  const { search, offset } = query
  const { caches } = await service.overall()
  const model = caches.find(({ name }) => name === cache.name)
  if (model === undefined) throw new FST_SCGI_ADMIN_NOT_FOUND(`cache '${params.cache}'`)
  const view = { cache: model, search: typeof search === 'string' ? search : '', offset: Number(offset ?? 0) }
  try {
    const [listed, ages] = await Promise.all([listEntries({ service, params, query }), agesOf(service, cache)])
    return { ...view, listed, ages }
  } catch (error) {
    // A store that lists nothing, or a search that is none: the rest is to be seen all the same.
    return { ...view, offset: 0, listed: { problem: toError(error).message }, ages: undefined }
  }
}
