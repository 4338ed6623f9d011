/** What `--help` prints. */
export const USAGE = `Usage: fastify-scgi [options] address...

Serves HTTP and passes every request to an SCGI application. Several addresses are a
group: requests are spread over them, and go on to the next where one fails.

An address is 127.0.0.1:4000, [::1]:4000, localhost:4000, unix:/run/app.sock or
scgi://host[:4000][/path].

Options:
  --listen ADDR        where to serve HTTP: 8080 (on 127.0.0.1 only), 0.0.0.0:8080,
                       [::1]:8080 or unix:/path; port 0 takes a free one (8080)
  --prefix PATH        path under which the application is mounted (/)
  --params SET         parameters the application gets: cgi, nginx or minimal (cgi)
  --body-limit SIZE    largest request body, such as 8k, 20m or 1g (1m)
  --log-level LEVEL    trace, debug, info, warn, error, fatal or silent (info)
  --log-file PATH      append the log to this file (standard output)
  --demo               without an address: serve an application made to be looked at
  -h, --help           this text
  -v, --version        the version

SIGTERM, SIGQUIT and SIGINT let the requests in flight finish, at most 10 seconds; a
second one ends the process at once. SIGUSR1 opens the log file anew, for whoever
rotates it; SIGHUP and SIGUSR2 are ignored. A log that takes no lines, such as a pipe
that nobody reads or a full disk, loses them, and says how many. Exit codes: 0 ended
by a signal, 1 could not start, 2 wrong usage.
`
