import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../lib/box.ts'
import { programPath, programVersion, type Peer } from './peer.ts'

export const lighttpd: Peer = {
  name: 'lighttpd',
  transports: ['unix', 'tcp'],
  native: true,
  version: () => programVersion('lighttpd', ['-v'], /lighttpd\/(\S+)/),
  async start (box, origins, transport, core) {
    const port = await freePort()
    const dir = join(box.dir, `lighttpd-${transport}`)
    mkdirSync(dir, { recursive: true })
    const target = transport === 'unix' ? `"socket" => "${origins.scgiPath}"` : `"host" => "127.0.0.1", "port" => ${origins.scgiPort}`
    const config = box.write(`lighttpd-${transport}.conf`, `server.modules = ( "mod_scgi" )
server.document-root = "${dir}"
server.bind = "127.0.0.1"
server.port = ${port}
server.listen-backlog = 4096
server.errorlog = "${dir}/error.log"
server.upload-dirs = ( "${dir}" )
server.max-keep-alive-requests = 60000
server.max-keep-alive-idle = 60
scgi.server = ( "/" => (( ${target}, "check-local" => "disable" )) )
`)
    const running = await box.start(`lighttpd-${transport}`, programPath('lighttpd'), ['-D', '-f', config], { core })
    return { running, port }
  },
}
