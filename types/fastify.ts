/// <reference types="@fastify/reply-from" preserve="true" />
import type { FastifyPluginAsync } from 'fastify'
import type { FastifyScgiOptions, ReplyScgiOptions, Upstreams } from './options.ts'
import type { ScgiRequestInfo } from './request.ts'
import type { UpstreamGroup } from './upstream.ts'

/** `fastify.scgi` */
export interface ScgiDecorator {
  /** The groups that have a name. */
  readonly groups: Iterable<UpstreamGroup> & { get (name: string): UpstreamGroup | undefined }
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
  interface FastifyRegister {
    /** The upstreams alone: an address, a list of servers, a group. */
    (
      plugin: FastifyScgi,
      upstreams: Extract<Upstreams, string | readonly unknown[] | UpstreamGroup>
    ): FastifyInstance & PromiseLike<undefined>
  }
}
