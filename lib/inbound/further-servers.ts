import { Server } from 'node:net'

/**
 * The servers that Fastify has besides `app.server`: it makes one for each further address of `localhost`, and shows them to nobody but
 * itself. None where it keeps them elsewhere than today.
 */
export function furtherServers (fastify: object): Server[] {
  return (bindingsOf(fastify) ?? []).filter(server => server instanceof Server)
}

/** Adds one of ours to them: it is then closed, watched and shown as they are. */
export function addFurtherServer (fastify: object, server: Server): void {
  bindingsOf(fastify)?.push(server)
}

function bindingsOf (fastify: object): unknown[] | undefined {
  for (let holder: object | null = fastify; holder !== null; holder = Object.getPrototypeOf(holder)) {
    const key = Object.getOwnPropertySymbols(holder).find(({ description }) => description === 'fastify.serverBindings')
    if (key === undefined) continue
    const servers: unknown = Reflect.get(holder, key)
    return Array.isArray(servers) ? servers : undefined
  }
  return undefined
}
