import type { FastifyRequest } from 'fastify'

/** The option `store`: replies are saved as files, for something else to serve. (scgi_store) */
export interface StoreOptions<Request = FastifyRequest> {
  /** Directory of the files; created if it does not exist. */
  root: string
  /**
   * Path of the file below the root; leading slashes are ignored. If a function returns nothing, or a path that ends in a slash,
   * nothing is stored. Default: the percent-decoded PATH_INFO; requests with a query and replies with Vary are then not stored, because
   * different replies would have the same file.
   */
  path?: string | ((request: Request) => string | undefined)
  /**
   * Permissions of the file, as words (`'user:rw group:r all:r'`) or a mode (`0o644`, `'644'`). Directories that are created can be searched by
   * everybody who may read the file. Both whatever the umask. Default `'user:rw'`. (scgi_store_access)
   */
  access?: string | number
  /** Methods whose replies are stored. HEAD is not allowed. Default GET. */
  methods?: readonly string[]
}
