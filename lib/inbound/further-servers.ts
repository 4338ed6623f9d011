import { Server } from 'node:net'

/**
 * The servers that Fastify has besides `app.server`: it makes one for each further address of `localhost`, and shows them to nobody but
 * itself. None where it keeps them elsewhere than today.
 */
export function furtherServers (fastify: object): Server[] {
  for (let holder: object | null = fastify; holder !== null; holder = Object.getPrototypeOf(holder)) {
    const key = Object.getOwnPropertySymbols(holder).find(({ description }) => description === 'fastify.serverBindings')
    if (key === undefined) continue
    const servers: unknown = Reflect.get(holder, key)
    return Array.isArray(servers) ? servers.filter(server => server instanceof Server) : []
  }
  return []
}
