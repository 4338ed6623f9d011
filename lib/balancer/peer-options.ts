import assert from 'node:assert/strict'

/** A clock in milliseconds that never goes back. */
export type Clock = () => number

export interface PeerOptions<T> {
  /** What logs and `upstreamAddr` show. */
  name: string
  /** Whatever the transport needs to connect; the balancer only hands it out. */
  target: T
  /**
   * What the peer is recognised by when the list of a group is replaced. Default: its name. Of several peers with one key
   * the first stays the first, and so on.
   */
  key?: string | undefined
  /** The server as it was configured, from which consistent hashing derives its points: `host:port`, `unix:path`. Default: its name. */
  server?: string | undefined
  /** Integer, 1 or more. Default 1. (nginx: weight) */
  weight?: number | undefined
  /** Most attempts at a time; 0 is without limit. Default 0. (nginx: max_conns) */
  maxConns?: number | undefined
  /** Failures that take the peer out; 0 never does. Default 1. (nginx: max_fails) */
  maxFails?: number | undefined
  /** Milliseconds. Default 10000. (nginx: fail_timeout) */
  failTimeout?: number | undefined
  /**
   * Milliseconds for which failures keep the peer out, instead of `failTimeout` and its single probe: then they are
   * forgotten. 0: it is never out. Default: none. (Apache: retry)
   */
  retry?: number | undefined
  /** Milliseconds in which its weight grows from 0 after a return; 0 at once. Default 0. (nginx: slow_start) */
  slowStart?: number | undefined
  /** Default false. (nginx: backup) */
  backup?: boolean | undefined
  /** Priority: all peers of a lower set come first. Default 0. (Apache: lbset) */
  lbset?: number | undefined
  /** Takes the place of one peer of its set that is out. Default false. (Apache: status=+R) */
  spare?: boolean | undefined
  /** Serves when no other peer of its set can. Default false. (Apache: status=+H) */
  standby?: boolean | undefined
  /** Default false. (nginx: down) */
  down?: boolean | undefined
  /** No new requests save those that are bound to it. Default false. (nginx: drain) */
  drain?: boolean | undefined
  /** It serves nobody until somebody says whether it is healthy. Counts when the peer is made. Default false. (nginx: health_check mandatory) */
  checking?: boolean | undefined
  /** Why it cannot serve at present, where whoever runs it says so. Default: it can. */
  stopped?: string | undefined
  /** Its name in sticky sessions. Default: none. (nginx, Apache: route) */
  route?: string | undefined
  /** The route that stands in for its own. Default: none. (Apache: redirect) */
  redirect?: string | undefined
  /** Idle connections that `target` keeps, and those that it opens ahead: for who looks. Default 0. */
  keepalive?: number | undefined
  preconnect?: number | undefined
}

/** What the attempts on a peer did to its standing: it went out, it came back, or neither. */
export type StateChange = 'down' | 'up' | undefined

/** What was edited on a peer that lives. */
export type PeerEdit = 'weight' | 'down' | 'drain' | 'healthy' | 'ejected' | 'stopped' | 'limits' | 'tier'

/** What a peer needs of its group. */
export interface PeerOwner<Peer> {
  now (): number
  edited (peer: Peer, what: PeerEdit, returned: boolean): void
  /** By limits that were edited, the failures that there were take the peer out, or no longer do. */
  limited (peer: Peer, change: StateChange): void
}

/** What is measured in an attempt; times in milliseconds since it began. */
export interface AttemptMetrics {
  /** Of the reply; `undefined` if no head came. */
  readonly status?: number | undefined
  /** `undefined` if no head came. */
  readonly headerTime: number | undefined
  readonly responseTime: number | undefined
  readonly bytesSent: number
  readonly bytesReceived: number
}

/** What a peer is recognised by. */
export function peerKey (options: Pick<PeerOptions<unknown>, 'key' | 'name'>): string {
  return options.key ?? options.name
}

/** Throws where a number is one that it cannot be. */
export function checkNumbers (options: Partial<PeerOptions<unknown>>): void {
  const { weight = 1, maxConns = 0, maxFails = 1, failTimeout = 10_000, retry = 0, slowStart = 0, lbset = 0 } = options
  assert(Number.isSafeInteger(weight) && weight >= 1, 'weight is an integer of 1 or more')
  assert(Number.isSafeInteger(maxConns) && maxConns >= 0, 'maxConns is an integer of 0 or more')
  assert(Number.isSafeInteger(maxFails) && maxFails >= 0, 'maxFails is an integer of 0 or more')
  assert(failTimeout >= 0, 'failTimeout is 0 or more')
  assert(retry >= 0, 'retry is 0 or more')
  assert(slowStart >= 0, 'slowStart is 0 or more')
  assert(Number.isSafeInteger(lbset) && lbset >= 0, 'lbset is an integer of 0 or more')
}
