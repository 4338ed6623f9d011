import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { Root } from '../files/root.ts'
import { setPlan } from '../reply/plan.ts'
import { NGINX_PATHS, splitPath } from '../routing/canonical-path.ts'
import { matchedRoute, stayOrLeave } from '../routing/matched-route.ts'
import { show } from '../options/units.ts'
import type { FastifyInstance } from 'fastify'
import type { FastifyScgiOptions } from '../../types/options.ts'

/**
 * Routes to files that only an internal redirect gets at. (location with internal and alias)
 * @throws FST_SCGI_OPT_INVALID
 */
export function mountInternal (fastify: FastifyInstance, directories: FastifyScgiOptions['internal']): void {
  checkInternal(directories)
  for (const [path, directory] of Object.entries(directories ?? {})) {
    const url = path.replace(/\/*$/, '/')
    const matched = matchedRoute(fastify, `${fastify.prefix.replace(/\/$/, '')}${url}*`, NGINX_PATHS)
    const roots = [new Root(directory)]
    fastify.route({
      method: ['GET', 'HEAD'],
      url: `${url}*`,
      config: { scgi: { internal: true } },
      onRequest: stayOrLeave(matched),
      handler: (request, reply) => {
        const split = splitPath(request.raw.url ?? '', matched.segments)
        if ('error' in split) {
          reply.callNotFound()
          return
        }
        setPlan(reply, { file: { roots, value: split.pathInfo, urlPath: true }, conditions: true, ranges: true })
        reply.send()
      },
    })
  }
}

/** @throws FST_SCGI_OPT_INVALID */
export function checkInternal (directories: FastifyScgiOptions['internal']): void {
  if (directories === undefined) return
  if (typeof directories !== 'object' || directories === null || Array.isArray(directories)) {
    throw new FST_SCGI_OPT_INVALID('internal', show(directories), "an object of paths and directories, for instance { '/protected/': '/srv/files' }")
  }
  for (const [path, directory] of Object.entries(directories)) {
    if (!/^\/[^*:?#\0]*$/.test(path)) throw new FST_SCGI_OPT_INVALID('internal', show(path), "paths that begin with '/' and hold no '*', ':', '?' and '#'")
    if (typeof directory !== 'string' || directory === '') throw new FST_SCGI_OPT_INVALID(`internal['${path}']`, show(directory), 'a directory')
  }
}
