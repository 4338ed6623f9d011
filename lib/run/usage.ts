/** What `--help` prints. */
export const USAGE = `Usage: fastify-scgi [options] address...
       fastify-scgi [options] --spawn COMMAND
       fastify-scgi --config FILE [--test | --print]
       fastify-scgi reload [--config FILE | --pid-file FILE]
       fastify-scgi ctl --socket PATH COMMAND (see ctl --help)

Serves HTTP and passes every request to an SCGI application. Several addresses are a
group: requests are balanced over them, and go on to the next one if a server fails.

An address is 127.0.0.1:4000, [::1]:4000, localhost:4000, unix:/run/app.sock,
scgi://host[:4000][/path], http://host[:80][/path] or https://host[:443][/path].

Options:
  --listen ADDR        where to listen: 8080 (on 127.0.0.1 only), 0.0.0.0:8080,
                       [::1]:8080, unix:/path, fd:3 (an inherited socket) or systemd
                       (its sockets); port 0 chooses a free one; can be repeated (8080)
  --listen-mode MODE   mode of the unix socket, such as 660
  --tls-cert FILE      serve HTTPS with this certificate
  --tls-key FILE       its key
  --http2              serve HTTP/2, too; without a certificate only HTTP/2
  --workers N          number of worker processes, or auto: one per processor
  --trust-proxy WHOM   proxies whose X-Forwarded-* are trusted: addresses and networks
                       separated by commas, loopback, or true
  --max-header-size SIZE  maximum size of a request head (16k)
  --spawn COMMAND      start the application: it listens on descriptor 0, is restarted
                       when it ends, and stops with the gateway; can be repeated
  --prefix PATH        path under which the application is mounted (/)
  --params SET         set of SCGI parameters: cgi, nginx or minimal (cgi)
  --body-limit SIZE    maximum size of a request body, such as 8k, 20m or 1g (1m)
  --read-timeout 5s, --max-fails 3, --balance least_conn, --buffering.buffer-size 8k,
  --no-upgrade         and all other options with a simple value: see --help-options
  --log-level LEVEL    trace, debug, info, warn, error, fatal or silent (info)
  --log-file PATH      append the log to this file (standard output)
  --access-log FORMAT  one line per request: combined or json
  --pid-file PATH      write the process ID to this file while it runs
  --demo               without an address: serve a demo application
  -c, --config FILE    read all of this and more from a file (.mjs, .js, .json)
  -t, --test           only check the configuration: exit code 0 or 1
  --print              print the resulting configuration, with all defaults
  -h, --help           print this text
  -v, --version        print the version

SIGTERM, SIGQUIT and SIGINT let the requests in progress finish, at most 10 seconds; a
second signal ends the process at once. SIGHUP and 'fastify-scgi reload' start workers
with the new configuration if it is valid, and the old ones finish their requests.
SIGUSR1 reopens the log files, for log rotation; SIGUSR2 is ignored. If the log cannot
be written, as with a pipe that is not read or a full disk, lines are dropped, and
their number is logged. Exit codes: 0 ended by a signal, 1 could not start, 2 wrong
usage.
`
