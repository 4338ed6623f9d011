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
  /** The groups in use, with the state of their servers and methods to edit them. */
  readonly groups: UpstreamGroups
  /** The caches by name; one that is chosen by a function `zone` appears once it has been chosen. */
  readonly caches: CacheRegistry
  /**
   * Adds a named location: a handler that only an internal redirect can reach (`X-Accel-Redirect: @name`, an error page `'@name'`). Method
   * and URL of the request do not change. Errors: FST_SCGI_OPT_INVALID if the name is taken or does not begin with '@'.
   * (nginx: location @name)
   */
  location (name: string, handler: RouteHandlerMethod): void
}

/** The plugin's type. */
export type FastifyScgi = FastifyPluginAsync<FastifyScgiOptions>

declare module 'fastify' {
  interface FastifyInstance {
    /** Groups, caches and named locations of the gateway. */
    scgi: ScgiDecorator
  }
  interface FastifyRequest {
    /** Attempts, times and statuses of this request in the gateway; null if it did not go through it. */
    scgi: ScgiRequestInfo | null
  }
  interface FastifyReply {
    /** Passes the request to an SCGI application and sends its reply. Create the options once, not for each request. */
    scgi (options: ReplyScgiOptions): this
  }
  interface FastifyContextConfig {
    scgi?: {
      /** Only internal redirects can reach the route; clients get a 404. Default false. (nginx: internal) */
      internal?: boolean
    }
  }
  interface FastifyRegister {
    /** Only the upstreams: an address, a list of servers, a group. */
    (
      plugin: FastifyScgi,
      upstreams: Extract<Upstreams, string | readonly unknown[] | UpstreamGroup>
    ): FastifyInstance & PromiseLike<undefined>
  }
}
