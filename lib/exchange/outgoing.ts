import { upgradeOf } from '../inbound/upgrades.ts'
import { withHeaders } from '../request/added-headers.ts'
import { FastifyView } from '../request/view.ts'
import { splitPath } from '../routing/canonical-path.ts'
import type { IncomingMessage } from 'node:http'
import type { RedirectState } from '../http/redirect-state.ts'
import type { Service } from './service.ts'
import type { Group } from '../balancer/group.ts'
import type { FetchPlan } from '../cache/transaction.ts'
import type { AddedHeaders, Endpoint } from '../connections/protocol.ts'
import type { PassRequest } from '../attempts/contract.ts'
import type { SeenHeaders } from '../request/seen.ts'
import type { HttpRequestHead, RequestBody } from '../../types/exchange.ts'
import type { FastifyRequest } from 'fastify'

/** A request as it goes to the servers, whoever is there to hear the answer. */
export class OutgoingRequest implements PassRequest {
  body: RequestBody | null = null
  // From `prepare` on.
  localAddress: string | undefined
  localPort: number | undefined
  transparent: boolean | undefined
  /** For balancing methods that ask for it. */
  readonly source: FastifyRequest
  readonly view: FastifyView
  readonly redirected: RedirectState | undefined
  readonly #service: Service
  /** The target that was routed. */
  readonly #target: string
  /** The protocol that the client asks for, where it may get it. */
  readonly #upgrade: string | undefined

  /**
   * @param redirected how the request came here, if by an internal redirect
   * @param former the same request, taken down before, of which only the view is another
   * @throws FST_SCGI_BAD_REQUEST, and what the user's hooks throw
   */
  constructor (
    service: Service, request: FastifyRequest, redirected: RedirectState | undefined,
    former?: { outgoing: OutgoingRequest, view: FastifyView }
  ) {
    this.#service = service
    this.source = request
    this.redirected = redirected
    if (former === undefined) {
      const { hooks, encoder, upgrade } = service.mount
      const view = new FastifyView(request, service.point, redirected)
      const rewrite = hooks.rewriteRequestHeaders
      const asked = upgrade ? askedProtocol(request.raw, redirected) : undefined
      if (rewrite === undefined) {
        this.view = view
        this.#upgrade = asked
      } else {
        const received = encoder.received(view)
        this.view = view.withHeaders(rewrite(request, asked === undefined ? received : { ...received, upgrade: asked }))
        this.#upgrade = asked === undefined ? undefined : protocolOf(this.view.headers['upgrade'])
      }
      this.#target = request.raw.url ?? this.view.uri
    } else {
      this.view = former.view
      const { outgoing } = former
      this.#target = outgoing.#target
      this.#upgrade = outgoing.#upgrade
      this.localAddress = outgoing.localAddress
      this.localPort = outgoing.localPort
      this.transparent = outgoing.transparent
      this.body = outgoing.body
    }
  }

  /**
   * Sees to what only a server needs, while the client's connection stands: what the cache answers goes without.
   * @throws what the user's function throws
   */
  prepare (): void {
    this.view.takeServer(this.source.raw)
    const local = this.#service.mount.bind(this.source)
    this.localAddress = local?.localAddress
    this.localPort = local?.localPort
    this.transparent = local?.transparent
  }

  get method (): string {
    return this.view.method
  }

  get clientAddress (): string {
    return this.view.remoteAddr
  }

  /** The client's own, whatever hooks make of it for the application. */
  get cookie (): string | undefined {
    return this.source.headers.cookie
  }

  get secure (): boolean {
    return this.view.scheme === 'https'
  }

  get target (): string {
    return this.#target
  }

  /** PATH_INFO is another than the URL that the client or a redirect has asked for says. */
  get isRewritten (): boolean {
    const { target, uri } = this.view
    return this.#service.point.rewritePrefix !== '' || this.#target !== (target ?? uri)
  }

  /** The protocol that is asked for. A request with a body, as an internal redirect may give it one, asks for none. */
  get upgrade (): string | undefined {
    return this.body !== null && this.body.length > 0 ? undefined : this.#upgrade
  }

  /** PATH_INFO of a request for another URI of the same mount, where that is rewritten. */
  pathInfoOf (uri: string): string | undefined {
    const { point } = this.#service
    if (point.rewritePrefix === '') return undefined
    const path = splitPath(uri, point.segments, point.rules)
    return 'error' in path ? undefined : point.rewritePrefix + path.pathInfo
  }

  encode (endpoint: Endpoint, added?: AddedHeaders): Buffer {
    return this.#service.mount.encoder.encode(withHeaders(this.view, added), this.source, {
      contentLength: this.body === null ? 0 : this.body.length,
      pathPrefix: endpoint.pathPrefix,
      keepalive: endpoint.keepalive,
      upgrade: this.upgrade,
    })
  }

  encodeHttp ({ pathPrefix }: Endpoint, added?: AddedHeaders): HttpRequestHead {
    const { mount, point } = this.#service
    const view = withHeaders(this.view, added)
    return mount.encoder.encodeHttp(view, this.source, { rewritePrefix: point.rewritePrefix, pathPrefix, upgrade: this.upgrade })
  }

  /**
   * The headers that the application sees of a request whose reply may be stored, which has no conditions.
   * @param group one of whose servers is to be asked
   * @throws FST_SCGI_BAD_REQUEST, and what the user's functions throw
   */
  seen (group: Group<Endpoint>): SeenHeaders {
    const { view } = this
    const sent = view.isConditional ? view.with(view.method, true, undefined, undefined) : view
    return this.#service.mount.encoder.seen(sent, this.source, group.servers.some(({ target }) => target.protocol.headerLines))
  }

  /** False if there is certainly no Authorization among them. */
  get mayBeAuthorized (): boolean {
    return this.#service.mount.encoder.mayAuthorize(this.view)
  }

  /** The same for a cache, which asks for what it can store. */
  forCache (plan: FetchPlan): OutgoingRequest {
    const { asGet, strip, etag, lastModified } = plan
    // Most requests have nothing to be left out, and a copy costs.
    if (!asGet && etag === undefined && lastModified === undefined && !(strip && this.view.isConditional)) return this
    const view = this.view.with(asGet ? 'GET' : this.method, strip, etag, lastModified)
    return new OutgoingRequest(this.#service, this.source, this.redirected, { outgoing: this, view })
  }
}

function askedProtocol (raw: IncomingMessage, redirected: RedirectState | undefined): string | undefined {
  const protocol = upgradeOf(raw)?.protocol
  // What answers with the status of an error cannot answer with 101.
  return protocol === undefined || redirected?.status !== undefined ? undefined : protocol
}

function protocolOf (upgrade: string | string[] | undefined): string | undefined {
  const protocol = Array.isArray(upgrade) ? upgrade.join(', ') : upgrade
  return protocol === '' ? undefined : protocol
}
