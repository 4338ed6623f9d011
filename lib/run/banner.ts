/** Where the demo can be reached. */
export interface DemoPlace {
  readonly url: string
  /** Path of the unix socket where HTTP is served on one. */
  readonly socket: string | undefined
  readonly prefix: string
}

/** How the command line was started: by the script of a clone, or from the package. */
const OWN = process.env['npm_lifecycle_event'] === 'start' ? 'npm start --' : 'npx fastify-scgi'

/** What is where, and what to try. */
export function showDemo ({ url, socket, prefix }: DemoPlace): string {
  const base = url + prefix.replace(/\/$/, '')
  const curl = socket === undefined ? 'curl' : `curl --unix-socket ${socket}`
  const look = socket === undefined ? `Open ${base}/ in a browser, or try from another shell:` : 'Try from another shell:'
  return `
The gateway serves an embedded SCGI application, on a unix socket of its own.
${look}

  # the request as the application sees it
  ${curl} ${base}/params

  # a form, an upload, server-sent events (Ctrl-C ends them)
  ${curl} -d name=Ada -d topic=SCGI ${base}/form
  ${curl} -F 'file=hello;filename=hello.txt' ${base}/upload
  ${curl} -N ${base}/clock

Ctrl-C here stops the gateway. In front of your own application: ${OWN} 127.0.0.1:4000

`
}
