import { writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { startRealServer } from './child.ts'
import type { RealServer } from './child.ts'
import { freePort } from './ready.ts'
import { tempDir } from './temp.ts'

export const NGINX = '/usr/sbin/nginx'

export interface Nginx extends RealServer {
  readonly port: number
}

/**
 * Starts nginx with `http` inside its `http {}` block and `server` inside the one `server {}`, which listens on the returned
 * port. One process, not a daemon.
 */
export async function startNginx (conf: { http?: string, server: string, listen?: string }): Promise<Nginx> {
  const dir = await tempDir()
  const port = await freePort()
  const root = process.getuid?.() === 0
  writeFileSync(dir.file('nginx.conf'), `
${root ? 'user root;' : ''}
daemon off;
master_process off;
pid ${dir.file('nginx.pid')};
error_log stderr notice;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path ${dir.file('body')};
  proxy_temp_path ${dir.file('proxy')};
  fastcgi_temp_path ${dir.file('fastcgi')};
  uwsgi_temp_path ${dir.file('uwsgi')};
  scgi_temp_path ${dir.file('scgi')};
  default_type application/octet-stream;
${conf.http ?? ''}
  server {
    listen 127.0.0.1:${port} ${conf.listen ?? ''};
    server_name gateway.test;
${conf.server}
  }
}
`)
  const server = await startRealServer({
    command: NGINX,
    args: ['-p', dir.path, '-c', dir.file('nginx.conf'), '-e', 'stderr'],
    dir,
    ready: [{ port }],
  })
  return { ...server, port, [Symbol.asyncDispose]: server.stop }
}

/** The installed nginx's version as a number that compares: 1.22.1 is 1022001. */
export function nginxVersion (): number {
  const { stderr } = spawnSync(NGINX, ['-v'], { encoding: 'utf8' })
  return versionNumber(/nginx\/([\d.]+)/.exec(stderr)?.[1] ?? '0')
}

/** `'1.22.1'` as 1022001. */
export function versionNumber (version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  return major * 1e6 + minor * 1e3 + patch
}
