import type { ResponseHead } from '../../../types/exchange.ts'
import type { PickRequest } from '../method.ts'

/** What sessions may call a server by. */
export interface SessionServer {
  readonly name: string
  readonly route: string | undefined
}

/**
 * How it is known which server a request is bound to. Servers have names, of which a policy says what they are; those that it is given
 * the servers of a group by are the same.
 */
export interface StickyPolicy {
  /** Sessions that are kept here; `undefined` if the clients keep them. */
  readonly size?: number
  /** What sessions call the server, now and formerly, the present name first; none where the server has no sessions. */
  names (server: SessionServer): readonly string[]
  /**
   * What `servers` has for the request; `undefined` if the request is bound to none of them.
   * @throws what functions of the user's throw
   */
  find<S> (request: PickRequest, servers: Pick<ReadonlyMap<string, S>, 'get'>): S | undefined
  /**
   * The server of that name has answered, and its reply goes to the client.
   * @throws what functions of the user's throw
   */
  answered? (request: PickRequest, name: string, head: ResponseHead): void
  /** Sessions that are noted here may be known elsewhere, too. */
  readonly shared?: SharedSessions
  /**
   * Value of a Set-Cookie header that binds the client to the server of that name, where it needs one.
   * @throws what functions of the user's throw
   */
  setCookie? (request: PickRequest, name: string): string | undefined
}

/** Sessions that processes tell one another. */
export interface SharedSessions {
  /** Hears of a session that has begun, has moved, or is used still, and for how many milliseconds it is kept. */
  onNoted: ((session: string, server: string, milliseconds: number) => void) | undefined
  /** Another process has noted a session. */
  note (session: string, server: string, milliseconds: number): void
}

/** The text that a function of the user's gave; `undefined` if it gave none. */
export function textOf (value: unknown): string | undefined {
  return value === undefined || value === null || value === '' ? undefined : String(value)
}
