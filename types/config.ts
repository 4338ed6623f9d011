import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import type { ServerOptions as HttpServerOptions } from 'node:http'
import type { SecureContextOptions, TlsOptions } from 'node:tls'
import type { FastifyScgiOptions, Upstreams } from './options.ts'
import type { UpstreamGroup } from './live.ts'
import type { Time } from './units.ts'

/** A certificate and its key. */
export interface ListenCertificate {
  /** PEM text, or the file that holds it; several where there are several kinds of keys. The intermediate certificates follow in it. (ssl_certificate) */
  cert: string | Buffer | (string | Buffer)[]
  /** PEM text, or the file that holds it. (ssl_certificate_key) */
  key: string | Buffer | (string | Buffer)[]
  /** What the key is encrypted with. Default none. (ssl_password_file) */
  passphrase?: string
}

/** Options of TLS: a certificate, and whatever else `tls.createServer` of Node.js takes (`minVersion`, `ciphers`, `requestCert` …). */
export interface ListenTlsOptions extends ListenCertificate, Omit<TlsOptions, keyof SecureContextOptions | 'SNICallback' | 'ALPNProtocols'>,
  Omit<SecureContextOptions, 'cert' | 'key' | 'ca' | 'passphrase'> {
  /** Authorities whose certificates are taken from clients, as PEM text or file; with `requestCert`. Default: those of Node.js. (ssl_client_certificate) */
  ca?: string | Buffer | (string | Buffer)[]
  /**
   * Certificates by the name that the client asks for, such as `'example.org'` or `'*.example.org'`; an exact name comes before one with a
   * star. Others get the certificate above. Default none. (RFC 6066 section 3)
   */
  sni?: Record<string, ListenCertificate>
}

/** Where HTTP is served. One of `port`, `path`, `fd` and `systemd`. */
export interface ListenOptions {
  /** Name or address of this machine. Default `'127.0.0.1'`: a gateway is opened to the network by saying so. */
  host?: string
  /** TCP port; 0 takes a free one. Default 8080. (listen) */
  port?: number
  /**
   * Path of a unix socket. One that a dead process left behind is taken over; it is removed at the end. (listen unix:)
   */
  path?: string
  /** Mode of the unix socket, such as `0o660` or `'660'`. Default: what the umask leaves of 777. */
  mode?: number | string
  /** Group of the unix socket, by name or number. Default: that of the process. */
  group?: number | string
  /** Descriptor of a socket that listens already, inherited from whoever started the gateway. */
  fd?: number
  /** The sockets that systemd passes (LISTEN_FDS): all, or those of a name (FileDescriptorName=). Default none. (sd_listen_fds) */
  systemd?: true | string
  /** Connections that the system keeps until they are accepted. Default 511. (listen backlog=) */
  backlog?: number
  /** Serves HTTPS. A certificate without its key, or one that is none, is refused. Default false. (listen ssl) */
  tls?: ListenTlsOptions | false
  /** HTTP/2 too; without `tls` HTTP/2 alone, for proxies that know (h2c). Default false. (http2) */
  http2?: boolean
}

/**
 * `8080` (on 127.0.0.1), `'127.0.0.1:8080'`, `'[::1]:8080'`, `'unix:/path'`, `'fd:3'`, `'systemd'`, `'systemd:NAME'`, or all of it by name.
 */
export type ListenAddress = number | string | ListenOptions

/** What `register` takes: options, or the upstreams alone. */
export type GatewayMount = FastifyScgiOptions | Extract<Upstreams, string | readonly unknown[] | UpstreamGroup>

/**
 * Fastify's own options (`trustProxy`, `bodyLimit`, `routerOptions` …), but for those of its servers, which `listen` has. `logger` may say
 * serializers and redactions, or false for no log; level and place are said by `log`.
 */
export interface GatewayFastifyOptions extends Omit<FastifyServerOptions, 'serverFactory' | 'loggerInstance'> {
  /** Options of Node.js' HTTP servers, such as `maxHeaderSize`. */
  http?: HttpServerOptions
}

export interface GatewayLogOptions {
  /** Lowest level that is written. Default `'info'`. (error_log) */
  level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  /** File that lines are appended to; SIGUSR1 opens it anew. Default: the standard output. (error_log) */
  file?: string
  /** Lines for people instead of JSON, by pino-pretty, which must be installed. Default: on a terminal, where pino-pretty is installed. */
  pretty?: boolean
  /** Time in which equal failures of the servers are summed up in one line; 0 writes each. Default 10s. */
  sumUp?: Time
}

/** What one line of the access log tells. */
export interface AccessLogEntry {
  /** When the request came. */
  time: Date
  /** Address of the client, as `trustProxy` has it. ($remote_addr) */
  remoteAddress: string
  /** Name of Basic authentication; `undefined` without. ($remote_user) */
  remoteUser: string | undefined
  method: string
  /** As the client has sent it. ($request_uri) */
  url: string
  /** `'1.1'`, `'2.0'`. */
  httpVersion: string
  /** 499 where the client left before the reply began. ($status) */
  status: number
  /** The client left before it had the whole reply. */
  aborted: boolean
  /** Bytes of the body that were sent, as far as they are known. ($body_bytes_sent) */
  bytes: number | undefined
  /** Milliseconds from the request to the end of its reply. ($request_time, in seconds there) */
  duration: number
  referer: string | undefined
  userAgent: string | undefined
  requestId: string
  /** Servers that were tried, in nginx's format; `undefined` where the gateway asked none. ($upstream_addr) */
  upstream: string | undefined
  /** ($upstream_status) */
  upstreamStatus: string | undefined
  /** Seconds. ($upstream_response_time) */
  upstreamTime: string | undefined
  /** HIT, MISS and the like; `undefined` without a cache. ($upstream_cache_status) */
  cacheStatus: string | undefined
}

/** Makes the line of a request; nothing is written for `undefined`, `false` and `''`. What it throws is an error in the log, and no line. */
export type AccessLogFormat = (entry: AccessLogEntry, request: FastifyRequest, reply: FastifyReply) => string | false | undefined

export interface AccessLogOptions {
  /** `'combined'` (nginx's and Apache's, with the upstream behind it), `'json'`, or a function. Default `'combined'`. (log_format) */
  format?: 'combined' | 'json' | AccessLogFormat
  /** File that lines are appended to; SIGUSR1 opens it anew. Default: where the log goes. (access_log) */
  file?: string
}

/** A gateway, as `defineGateway`, `runGateway` and a configuration file have it. */
export interface GatewayConfig {
  /** Where HTTP is served, at one place or several. Default `8080`, on 127.0.0.1. (listen) */
  listen?: ListenAddress | ListenAddress[]
  /**
   * Processes that serve; `'auto'` is one for each processor that may be used. They are started by one that serves nobody, which starts them
   * anew where they die and for a reload. Default: 1 with a configuration file; `runGateway` without this option serves in the process that
   * calls it. (worker_processes)
   */
  workers?: 'auto' | number
  /** Fastify's options. Default: Fastify's. */
  fastify?: GatewayFastifyOptions
  /** Applications, as `register` takes them. Groups that have a name are shared between the workers. Default none. */
  mounts?: GatewayMount[]
  /** Adds plugins, hooks and routes, before the mounts. It may be async. Default none. */
  setup?: (app: FastifyInstance) => unknown
  /** What is written, and where. */
  log?: GatewayLogOptions
  /** One line for each request, instead of Fastify's two. Default false. (access_log) */
  accessLog?: 'combined' | 'json' | AccessLogFormat | AccessLogOptions | false
  /** File that holds the number of the process to signal, while it runs. Default none. (pid) */
  pidFile?: string
  /**
   * How long the workers of before a reload may take for what they have in flight; 0 is without limit. Event streams and tunnels are cut
   * after it. Default 1h. (worker_shutdown_timeout)
   */
  drainTimeout?: Time
}

/** A gateway that runs. */
export interface RunningGateway {
  /** Where it listens, as URLs; `unix:/path` for a socket. */
  readonly addresses: readonly string[]
  /** The application, where it is served in this process; `undefined` where workers have it. */
  readonly app: FastifyInstance | undefined
  /**
   * Checks the configuration anew and starts workers with it beside the old ones, which drain. Rejects where it is wrong: nothing has changed
   * then. Without `workers` there is nothing to reload, and it rejects, too.
   */
  reload (): Promise<void>
  /** Stops to listen and lets requests in flight finish, as `app.close()` does. */
  close (): Promise<void>
}

export interface RunGatewayOptions {
  /** Hear the signals of the process: SIGTERM, SIGQUIT and SIGINT close, SIGHUP reloads, SIGUSR1 reopens the log files. Default true. */
  signals?: boolean
}
