import { spawnSync } from 'node:child_process'
import { APACHE, startApache } from '../../helpers/apache.ts'
import { versionNumber } from '../../helpers/nginx.ts'
import { responseMounts } from './mounts-response.ts'
import { startPeer } from './peer.ts'
import type { Application, Peer, Started } from './peer.ts'

/** Apache with those of the mounts that it can have. */
export function startApachePeer (): Promise<Peer> {
  return startPeer('apache', start)
}

async function start (application: Application): Promise<Started> {
  const { a, b, tcp, dead } = application
  const server = await startApache(`
LimitRequestBody 1048576
SetEnvIf Request_URI "^" proxy-scgi-pathinfo=1
# The name after | tells workers apart, it is not looked up.
ProxyPass "/app" "${a}|scgi://app"
ProxyPass "/stream" "${a}|scgi://app"
ProxyPass "/tcp" "scgi://${tcp}"
ProxyPass "/slow" "${a}|scgi://slow" timeout=1
<Proxy "balancer://two">
  BalancerMember "${a}|scgi://a" retry=0
  BalancerMember "${b}|scgi://b" retry=0
</Proxy>
<Proxy "balancer://two-any">
  BalancerMember "${a}|scgi://a2" retry=0
  BalancerMember "${b}|scgi://b2" retry=0
  ProxySet failonstatus=500,503,403,404,429
</Proxy>
<Proxy "balancer://two-slow">
  BalancerMember "${a}|scgi://a3" retry=0 timeout=1
  BalancerMember "${b}|scgi://b3" retry=0 timeout=1
</Proxy>
<Proxy "balancer://refused">
  BalancerMember "scgi://${dead[0]}"
  BalancerMember "${a}|scgi://spare" status=+H
</Proxy>
<Proxy "balancer://dead">
  BalancerMember "scgi://${dead[0]}/1" retry=0
  BalancerMember "scgi://${dead[1]}" retry=0
</Proxy>
ProxyPass "/two-any" "balancer://two-any"
ProxyPass "/two-slow" "balancer://two-slow"
ProxyPass "/two" "balancer://two"
ProxyPass "/refused" "balancer://refused"
ProxyPass "/dead" "balancer://dead"
<Location "/hide">
  ProxyPass "${a}|scgi://app"
  Header always unset X-Secret
  Header unset X-Secret
</Location>
${responseMounts.map(({ name, apache }) => apache === undefined
  ? ''
  : `<Location "/${name}">
  ProxyPass "${a}|scgi://app"
  ${apache(application)}
</Location>`).join('\n')}
`)
  const { stdout } = spawnSync(APACHE, ['-v'], { encoding: 'utf8' })
  const version = versionNumber(/Apache\/([\d.]+)/.exec(stdout)?.[1] ?? '0')
  return { target: { port: server.port }, version, logs: server.logs, stop: server.stop }
}
