import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../lib/box.ts'
import { programPath, programVersion, type Peer } from './peer.ts'

// The scgi_params file that nginx comes with, so that the peer does not depend on where a package puts it.
const params = [
  'REQUEST_METHOD $request_method', 'REQUEST_URI $request_uri', 'QUERY_STRING $query_string', 'CONTENT_TYPE $content_type',
  'DOCUMENT_URI $document_uri', 'DOCUMENT_ROOT $document_root', 'SCGI 1', 'SERVER_PROTOCOL $server_protocol',
  'REQUEST_SCHEME $scheme', 'HTTPS $https if_not_empty', 'REMOTE_ADDR $remote_addr', 'REMOTE_PORT $remote_port',
  'SERVER_PORT $server_port', 'SERVER_NAME $server_name',
].map((param) => `      scgi_param ${param};`).join('\n')

/** How nginx is set up beside its defaults. */
export interface NginxSettings {
  /** A directory to cache replies in. */
  readonly cache?: { readonly path: string, readonly levels: string }
  /** Speak HTTP/2 without TLS to the client, and nothing else. */
  readonly http2?: boolean
  /** worker_connections, those to the application included; nginx takes memory for all of them at once. */
  readonly connections?: number
  /** One process serves, and has no master above it. */
  readonly alone?: boolean
}

export function nginxWith ({ cache, http2 = false, connections = 4096, alone = false }: NginxSettings = {}, name = 'nginx'): Peer {
  return {
    name,
    transports: ['unix', 'tcp'],
    native: true,
    version: () => programVersion('nginx', ['-v'], /nginx\/(\S+)/),
    async start (box, origins, transport, core) {
      const port = await freePort()
      const dir = join(box.dir, `${name}-${transport}-${port}`)
      mkdirSync(dir, { recursive: true })
      const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `  ${kind}_temp_path ${dir}/${kind};`).join('\n')
      const target = transport === 'unix' ? `unix:${origins.scgiPath}` : `127.0.0.1:${origins.scgiPort}`
      const zone = cache === undefined ? '' : `  scgi_cache_path ${cache.path} levels=${cache.levels} keys_zone=bench:64m inactive=1d;`
      const caching = cache === undefined
        ? ''
        : '      scgi_cache bench;\n      scgi_cache_key $scheme$host$request_uri;\n      scgi_cache_valid 1d;'
      const config = box.write(`${name}-${transport}-${port}.conf`, `daemon off;
worker_processes 1;${alone ? '\nmaster_process off;' : ''}
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${dir}/pid;
error_log ${dir}/error.log crit;
events { worker_connections ${connections}; }
http {
  access_log off;
  keepalive_requests 100000000;
${temp}
${zone}
  server {
    listen 127.0.0.1:${port} backlog=4096${http2 ? ' http2' : ''};
    location / {
      scgi_pass ${target};
${caching}
${params}
    }
  }
}
`)
      const running = await box.start(`${name}-${transport}`, programPath('nginx'), ['-e', `${dir}/error.log`, '-p', dir, '-c', config], { core })
      return { running, port }
    },
  }
}

export const nginx = nginxWith()
