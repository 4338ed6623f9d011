/// <reference types="@fastify/reply-from" preserve="true" />
import type { FastifyPluginAsync, RouteHandlerMethod } from 'fastify'
import type { FastifyScgiOptions, ReplyScgiOptions, Upstreams } from './options.ts'
import type { Cache } from './cache.ts'
import type { ScgiRequestInfo } from './request.ts'
import type { UpstreamGroup, UpstreamGroups } from './live.ts'

/** The caches that the mounts of an application use. */
export interface CacheRegistry extends Iterable<Cache> {
  get (name: string): Cache | undefined
}

/** `fastify.scgi` */
export interface ScgiDecorator {
  /** The groups that registrations use, with the state of their servers and the means to edit them. */
  readonly groups: UpstreamGroups
  /** The caches by name; one that a function `zone` chooses is here once it was chosen. */
  readonly caches: CacheRegistry
  /**
   * Adds a named location: a handler that only an internal redirect leads to (`X-Accel-Redirect: @name`, an error page `'@name'`). Method
   * and URL of the request are then what they were. Errors: FST_SCGI_OPT_INVALID for a name that is taken or does not begin with '@'.
   * (nginx: location @name)
   */
  location (name: string, handler: RouteHandlerMethod): void
}

/** The plugin's type. */
export type FastifyScgi = FastifyPluginAsync<FastifyScgiOptions>

declare module 'fastify' {
  interface FastifyInstance {
    /** What the gateway keeps for this application. */
    scgi: ScgiDecorator
  }
  interface FastifyRequest {
    /** What became of this request in the gateway; null where it did not go through one. */
    scgi: ScgiRequestInfo | null
  }
  interface FastifyReply {
    /** Answers with what an SCGI application answers. Make the options once, not for each request. */
    scgi (options: ReplyScgiOptions): this
  }
  interface FastifyContextConfig {
    scgi?: {
      /** The route answers internal redirects only; a client that asks for it gets a 404. Default false. (nginx: internal) */
      internal?: boolean
    }
  }
  interface FastifyRegister {
    /** The upstreams alone: an address, a list of servers, a group. */
    (
      plugin: FastifyScgi,
      upstreams: Extract<Upstreams, string | readonly unknown[] | UpstreamGroup>
    ): FastifyInstance & PromiseLike<undefined>
  }
}
