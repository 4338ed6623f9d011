import type { FastifyRequest } from 'fastify'

/** The option `store`: replies are kept as files, which are served by something else. (scgi_store) */
export interface StoreOptions<Request = FastifyRequest> {
  /** Directory of the files, made when it is missing. */
  root: string
  /**
   * Path of the file below the root; slashes at its beginning mean nothing. A function that gives nothing, or a path with a slash at its
   * end, stores nothing. Default: the percent-decoded PATH_INFO; then a request with a query and a reply with Vary are not stored, as
   * another reply would have the same file.
   */
  path?: string | ((request: Request) => string | undefined)
  /**
   * Rights of the file, as words (`'user:rw group:r all:r'`) or a mode (`0o644`, `'644'`). Directories that are made can be searched by
   * whoever may read. Default `'user:rw'`. (scgi_store_access)
   */
  access?: string | number
  /** Methods whose replies are stored. HEAD is impossible. Default GET. */
  methods?: readonly string[]
}
