import { startNginx, nginxVersion } from '../../helpers/nginx.ts'
import { cacheMounts } from './mounts-cache.ts'
import { responseMounts } from './mounts-response.ts'
import { startPeer } from './peer.ts'
import type { Application, Peer, Started } from './peer.ts'

// Written out: what distributions put into their scgi_params differs.
const PARAMS = `
  scgi_param REQUEST_METHOD $request_method;
  scgi_param REQUEST_URI $request_uri;
  scgi_param QUERY_STRING $query_string;
  scgi_param CONTENT_TYPE $content_type;
  scgi_param DOCUMENT_URI $document_uri;
  scgi_param SCGI 1;
  scgi_param SERVER_PROTOCOL $server_protocol;
  scgi_param REQUEST_SCHEME $scheme;
  scgi_param HTTPS $https if_not_empty;
  scgi_param REMOTE_ADDR $remote_addr;
  scgi_param SERVER_NAME $server_name;
  scgi_param SCRIPT_NAME $mount;
  scgi_param PATH_INFO $path_info;
`

/** nginx with the mounts that the rows use. */
export function startNginxPeer (): Promise<Peer> {
  return startPeer('nginx', start)
}

async function start (application: Application): Promise<Started> {
  const { a, b, tcp, dead, files } = application
  const mount = (name: string, group: string, directives = ''): string => `
    location ~ ^(?<mount>/${name})(?<path_info>/.*)?$ { scgi_pass ${group}; ${directives} ${directives.includes('scgi_param') ? '' : PARAMS} }`
  const server = await startNginx({
    http: `
  upstream two { server ${a} max_fails=0; server ${b} max_fails=0; }
  upstream refused { server ${dead[0]} max_fails=0; server ${a} backup; }
  upstream dead { server ${dead[0]} max_fails=0; server ${dead[1]} max_fails=0; }
  scgi_buffer_size 64k;
  scgi_buffers 8 64k;
  scgi_busy_buffers_size 128k;
  client_max_body_size 1m;
  # It waits for the rest of a body that it has refused.
  lingering_timeout 100ms;
  # Charsets that X-Accel-Charset may name are those that are named somewhere.
  charset_map koi8-r utf-8 { }
  map $arg_zone $zone { default parity; off off; }
  scgi_cache_path cache keys_zone=parity:1m inactive=10m;
`,
    server: [
      mount('app', a),
      mount('tcp', tcp),
      mount('slow', a, `${PARAMS} scgi_read_timeout 300ms;`),
      mount('hide', a, `${PARAMS} scgi_hide_header X-Secret; scgi_pass_header X-Accel-Charset; scgi_pass_header Status;`),
      mount('nobody', a, `${PARAMS} scgi_pass_request_body off;`),
      mount('noheaders', a, `${PARAMS} scgi_pass_request_headers off;`),
      mount('params', a, `${PARAMS} scgi_param APP_MODE test; scgi_param APP_EMPTY ""; scgi_param APP_GONE $arg_gone if_not_empty;
        scgi_param HTTP_X_SECRET ""; scgi_param HTTP_X_SET $arg_gone; scgi_param HTTP_X_GONE $arg_gone if_not_empty;`),
      mount('stream', a, `${PARAMS} scgi_buffering off; scgi_request_buffering off;`),
      mount('two', 'two'),
      mount('refused', 'refused'),
      mount('dead', 'dead'),
      mount('two-off', 'two', `${PARAMS} scgi_next_upstream off;`),
      mount('refused-off', 'refused', `${PARAMS} scgi_next_upstream off;`),
      mount('two-any', 'two', `${PARAMS} scgi_next_upstream error timeout invalid_header http_500 http_503 http_403 http_404 http_429;`),
      mount('two-idem', 'two', `${PARAMS} scgi_next_upstream error timeout http_503 non_idempotent;`),
      mount('two-one', 'two', `${PARAMS} scgi_next_upstream error timeout http_503; scgi_next_upstream_tries 1;`),
      mount('two-slow', 'two', `${PARAMS} scgi_read_timeout 300ms;`),
      ...responseMounts.map(({ name, nginx, upstreams = () => a }) =>
        nginx === undefined ? '' : mount(name, upstreams(application), `${PARAMS} ${nginx(application)}`)),
      ...cacheMounts.map(({ name, nginx, dead: refuses, chooses }) => mount(name, refuses ? dead[0] : a, `${PARAMS}
        scgi_cache ${chooses ? '$zone' : 'parity'};
        ${nginx.includes('scgi_cache_key') ? '' : 'scgi_cache_key "$scheme://$host$request_uri";'}
        add_header X-Cache-Status $upstream_cache_status always;
        ${nginx}`)),
      `location /files/ { internal; alias ${files}/; }
      location @fallback { scgi_pass ${b}; ${PARAMS} }`,
    ].join(''),
  })
  return { target: { port: server.port }, version: nginxVersion(), logs: server.logs, stop: server.stop }
}
