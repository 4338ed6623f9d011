import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import type { ServerOptions as HttpServerOptions } from 'node:http'
import type { SecureContextOptions, TlsOptions } from 'node:tls'
import type { FastifyScgiOptions, Upstreams } from './options.ts'
import type { UpstreamGroup } from './live.ts'
import type { Time } from './units.ts'

/** A certificate and its key. */
export interface ListenCertificate {
  /** PEM text, or a file with it; several for several kinds of keys. Intermediate certificates come after the certificate. (ssl_certificate) */
  cert: string | Buffer | (string | Buffer)[]
  /** PEM text, or a file with it. (ssl_certificate_key) */
  key: string | Buffer | (string | Buffer)[]
  /** Passphrase of the key. Default none. (ssl_password_file) */
  passphrase?: string
}

/** Options of `tls.createServer` that have no effect here. */
type IgnoredTlsOption = 'ALPNProtocols' | 'SNICallback' | 'allowHalfOpen' | 'clientCertEngine' | 'highWaterMark' | 'pauseOnConnect' |
  'privateKeyEngine' | 'privateKeyIdentifier' | 'secureContext'

/**
 * TLS options: a certificate, and the other options of Node.js's `tls.createServer` (`minVersion`, `ciphers`, `requestCert` …). Those that
 * have no effect on an HTTPS server, such as `secureContext` and `highWaterMark`, are refused (FST_SCGI_OPT_UNSUPPORTED).
 */
export interface ListenTlsOptions extends ListenCertificate, Omit<TlsOptions, keyof SecureContextOptions | IgnoredTlsOption>,
  Omit<SecureContextOptions, 'cert' | 'key' | 'ca' | 'passphrase' | IgnoredTlsOption> {
  /** CA certificates for client certificates, as PEM text or file; with `requestCert`. Default: those of Node.js. (ssl_client_certificate) */
  ca?: string | Buffer | (string | Buffer)[]
  /**
   * Certificates by server name (SNI), such as `'example.org'` or `'*.example.org'`; an exact name takes precedence over a wildcard. Other names
   * get the certificate above. All other options, such as `ca` and `crl`, hold for every name. Default none. (RFC 6066 section 3)
   */
  sni?: Record<string, ListenCertificate>
}

/** Where to listen for HTTP. One of `port`, `path`, `fd` and `systemd`. */
export interface ListenOptions {
  /** Name or address of this machine. Default `'127.0.0.1'`: not reachable from the network. */
  host?: string
  /** TCP port; 0 chooses a free one. Default 8080. (listen) */
  port?: number
  /**
   * Path of a unix socket. A socket left behind by a dead process is replaced; it is removed at exit. (listen unix:)
   */
  path?: string
  /** Mode of the unix socket, such as `0o660` or `'660'`. Default: 777 less the umask. */
  mode?: number | string
  /** Group of the unix socket, by name or number. Default: that of the process. */
  group?: number | string
  /** File descriptor of a listening socket, inherited from the process that started the gateway. */
  fd?: number
  /** Sockets passed by systemd (LISTEN_FDS): all, or those with a name (FileDescriptorName=). Default none. (sd_listen_fds) */
  systemd?: true | string
  /** Maximum number of connections that wait to be accepted; the system may have a lower limit (`net.core.somaxconn` on Linux, 4096). Default 4096. (listen backlog=) */
  backlog?: number
  /** Serves HTTPS. An invalid certificate, or one without its key, is refused. Default false. (listen ssl) */
  tls?: ListenTlsOptions | false
  /** Serves HTTP/2, too; without `tls` only HTTP/2, for proxies with prior knowledge (h2c). Default false. (http2) */
  http2?: boolean
}

/**
 * `8080` (on 127.0.0.1), `'127.0.0.1:8080'`, `'[::1]:8080'`, `'unix:/path'`, `'fd:3'`, `'systemd'`, `'systemd:NAME'`, or an object.
 */
export type ListenAddress = number | string | ListenOptions

/** What `register` takes: options, or only the upstreams. */
export type GatewayMount = FastifyScgiOptions | Extract<Upstreams, string | readonly unknown[] | UpstreamGroup>

/**
 * Fastify's options (`trustProxy`, `bodyLimit`, `routerOptions` …), except those of its server, which are in `listen`. `logger` can set
 * serializers and redaction, or be false for no log; `log` sets level and file.
 */
export interface GatewayFastifyOptions extends Omit<FastifyServerOptions, 'serverFactory' | 'loggerInstance'> {
  /** Options of Node.js's HTTP server, such as `maxHeaderSize`. */
  http?: HttpServerOptions
}

/** The log of the runner: `log` of a configuration. (error_log) */
export interface GatewayLogOptions {
  /** Lowest level to log. Default `'info'`. (error_log) */
  level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  /** File to append to; SIGUSR1 reopens it. Default: standard output. (error_log) */
  file?: string
  /** Formatted lines instead of JSON, with pino-pretty, which must be installed. Default: on a terminal, if pino-pretty is installed. */
  pretty?: boolean
  /** Time in which equal failures of servers are summed up in one line; 0 logs each. Default 10s. */
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
  /** Servers that were tried, in nginx's format; `undefined` if there were none. ($upstream_addr) */
  upstream: string | undefined
  /** ($upstream_status) */
  upstreamStatus: string | undefined
  /** Seconds. ($upstream_response_time) */
  upstreamTime: string | undefined
  /** HIT, MISS and the like; `undefined` without a cache. ($upstream_cache_status) */
  cacheStatus: string | undefined
}

/** Returns the line for a request; nothing is written for `undefined`, `false` and `''`. An error that it throws is logged instead of a line. */
export type AccessLogFormat = (entry: AccessLogEntry, request: FastifyRequest, reply: FastifyReply) => string | false | undefined

/** The access log: `accessLog` of a configuration. (access_log, log_format) */
export interface AccessLogOptions {
  /** `'combined'` (that of nginx and Apache, followed by the upstream), `'json'`, or a function. Default `'combined'`. (log_format) */
  format?: 'combined' | 'json' | AccessLogFormat
  /** File to append to; SIGUSR1 reopens it. Default: where the log goes. (access_log) */
  file?: string
}

/** Configuration of a gateway, for `defineGateway`, `runGateway` and configuration files. */
export interface GatewayConfig {
  /** Where to listen for HTTP. Default `8080`, on 127.0.0.1. (listen) */
  listen?: ListenAddress | ListenAddress[]
  /**
   * Number of worker processes; `'auto'` is one per available processor. A primary process, which serves no requests itself, starts them, and
   * replaces them if they die and on a reload. Default: 1 with a configuration file; `runGateway` without this option serves in the calling
   * process. (worker_processes)
   */
  workers?: 'auto' | number
  /** Fastify's options. Default: Fastify's. */
  fastify?: GatewayFastifyOptions
  /** Mounts: what `register` takes. Groups with a name are shared between the workers. Default none. */
  mounts?: GatewayMount[]
  /** Adds plugins, hooks and routes, before the mounts. It may be async. Default none. */
  setup?: (app: FastifyInstance) => unknown
  /** Options of the log. */
  log?: GatewayLogOptions
  /** One line per request, instead of Fastify's two. Default false. (access_log) */
  accessLog?: 'combined' | 'json' | AccessLogFormat | AccessLogOptions | false
  /** File with the process ID to send signals to, while the gateway runs. Default none. (pid) */
  pidFile?: string
  /**
   * How long old workers may take after a reload to finish the requests in progress; 0 means no limit. Event streams and tunnels are cut off
   * after that. Default 1h. (worker_shutdown_timeout)
   */
  drainTimeout?: Time
}

/** A running gateway. */
export interface RunningGateway {
  /** Where it listens, as URLs; `unix:/path` for a socket. */
  readonly addresses: readonly string[]
  /** The application, if this process serves it; `undefined` with workers. */
  readonly app: FastifyInstance | undefined
  /**
   * Checks the configuration again and starts new workers with it, while the old ones finish their requests. Rejects if the configuration is
   * invalid, and changes nothing then. It also rejects without `workers`, since there is nothing to reload.
   */
  reload (): Promise<void>
  /** Stops listening and lets requests in progress finish, like `app.close()`. */
  close (): Promise<void>
}

/** How `runGateway` fits into a program. */
export interface RunGatewayOptions {
  /** Handle the signals of the process: SIGTERM, SIGQUIT and SIGINT close, SIGHUP reloads, SIGUSR1 reopens the log files. Default true. */
  signals?: boolean
}
