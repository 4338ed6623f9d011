import { AsyncResource, executionAsyncId } from 'node:async_hooks'

// Node.js hands the asynchronous context (AsyncLocalStorage) on with whatever has caused a callback. For a connection that requests share,
// a queue or a lock that is some other request, or none. So each request keeps its own, and enters it where such a callback ends up.

const TYPE = 'FASTIFY_SCGI'

/** The context of whoever calls this, to be entered later: once for each exchange, for it is not free. */
export function currentContext (): AsyncResource {
  // What is the default anyway: said as a number, Node.js need not look for it among options that are not there.
  return new AsyncResource(TYPE, executionAsyncId())
}

/** What belongs to no request runs here: timers of groups, checks, connections that are kept. Else it would hold on to one for ever. */
const NOBODY = new AsyncResource(TYPE)

/** Does something for nobody in particular. */
export function outside<Result> (work: () => Result): Result {
  return NOBODY.runInAsyncScope(work)
}
