/** What the name of every metric begins with. */
export const PREFIX = 'fastify_scgi_'
