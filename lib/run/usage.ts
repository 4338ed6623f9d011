/** What `--help` prints. */
export const USAGE = `Usage: fastify-scgi [options] address...
       fastify-scgi [options] --spawn COMMAND
       fastify-scgi --config FILE [--test | --print]
       fastify-scgi reload [--config FILE | --pid-file FILE]
       fastify-scgi ctl --socket PATH COMMAND (see ctl --help)

Serves HTTP and passes every request to an SCGI application. Several addresses are a
group: requests are spread over them, and go on to the next where one fails.

An address is 127.0.0.1:4000, [::1]:4000, localhost:4000, unix:/run/app.sock,
scgi://host[:4000][/path], http://host[:80][/path] or https://host[:443][/path].

Options:
  --listen ADDR        where to serve HTTP: 8080 (on 127.0.0.1 only), 0.0.0.0:8080,
                       [::1]:8080, unix:/path, fd:3 (a socket that is inherited) or
                       systemd (those that it passes); port 0 takes a free one; may be
                       given several times (8080)
  --listen-mode MODE   mode of the unix socket, such as 660
  --tls-cert FILE      serve HTTPS with this certificate
  --tls-key FILE       its key
  --http2              HTTP/2, too; without a certificate HTTP/2 alone
  --workers N          processes that serve, or auto: one for each processor
  --trust-proxy WHOM   proxies before this one whose X-Forwarded-* are believed:
                       addresses and networks with commas between, loopback, or true
  --max-header-size SIZE  largest head of a request (16k)
  --spawn COMMAND      start the application: it listens on descriptor 0, is started
                       again when it ends, and ends with the gateway; may be given
                       several times
  --prefix PATH        path under which the application is mounted (/)
  --params SET         parameters the application gets: cgi, nginx or minimal (cgi)
  --body-limit SIZE    largest request body, such as 8k, 20m or 1g (1m)
  --read-timeout 5s, --max-fails 3, --balance least_conn, --buffering.buffer-size 8k,
  --no-upgrade         and all other options that are a plain value: --help-options
  --log-level LEVEL    trace, debug, info, warn, error, fatal or silent (info)
  --log-file PATH      append the log to this file (standard output)
  --access-log FORMAT  one line for each request: combined or json
  --pid-file PATH      holds the number of the process while it runs
  --demo               without an address: serve an application made to be looked at
  -c, --config FILE    all of this and more from a file (.mjs, .js, .json)
  -t, --test           check everything, serve nobody: exit code 0 or 1
  --print              print what is in force, with all defaults
  -h, --help           this text
  -v, --version        the version

SIGTERM, SIGQUIT and SIGINT let the requests in flight finish, at most 10 seconds; a
second one ends the process at once. SIGHUP and 'fastify-scgi reload' start workers
with the configuration as it is now, where it is right, and the old ones end with
what they have in flight. SIGUSR1 opens the log files anew, for whoever rotates
them; SIGUSR2 is ignored. A log that takes no lines, such as a pipe that nobody reads
or a full disk, loses them, and says how many. Exit codes: 0 ended by a signal, 1
could not start, 2 wrong usage.
`
