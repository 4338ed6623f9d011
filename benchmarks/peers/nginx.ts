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

export const nginx: Peer = {
  name: 'nginx',
  transports: ['unix', 'tcp'],
  version: () => programVersion('nginx', ['-v'], /nginx\/(\S+)/),
  async start (box, origins, transport, core) {
    const port = await freePort()
    const dir = join(box.dir, `nginx-${transport}`)
    mkdirSync(dir, { recursive: true })
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${dir}/${name};`).join('\n')
    const target = transport === 'unix' ? `unix:${origins.scgiPath}` : `127.0.0.1:${origins.scgiPort}`
    const config = box.write(`nginx-${transport}.conf`, `daemon off;
worker_processes 1;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${dir}/pid;
error_log ${dir}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000;
${temp}
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / {
      scgi_pass ${target};
${params}
    }
  }
}
`)
    const running = await box.start(`nginx-${transport}`, programPath('nginx'), ['-e', `${dir}/error.log`, '-p', dir, '-c', config], { core })
    return { running, port }
  },
}
