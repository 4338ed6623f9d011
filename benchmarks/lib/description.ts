/** What holds for all sections. */
export const description = `## How it is measured

- **CPU µs/request** is the measure: user and system time of all processes of the gateway (/proc/PID/stat, threads and exited children
  included) in one round, over the requests of that round. Medians of all rounds; user+sys are medians of their own.
- **Ratios** are of CPU time per request: below 1, what is named first needs less. The machine drifts by far more than what is looked for,
  so the two sides of a ratio are measured in pairs: a round of one and a round of the other directly after it, in an order that changes with
  each pair. The ratio is taken pair by pair, then the median and the quartiles, between
  which half of the pairs are.
- Two rounds of the same process differ by as much as two processes do: by 20 % either way on a machine that others use, too. A median of 25
  pairs is known to about 5 %. What runs on Node.js is started anew several times in one run (3 times, where the line of the run says nothing
  else), is warmed up each time, and rounds are measured with each of the processes. Medians are over the rounds and pairs of all. Servers in
  C stay.
- **Instructions** (a section of their own) are counted, not timed: those of user space that one request costs, by callgrind. A count is the same within 1 %
  in each run and on a busy machine, but the kernel's part is not in it.
- **requests/s** and **p99** are what the load's connections saw (wrk, 64 keep-alive connections, where nothing else is said). They are bounded by
  the origin and the load generator wherever those fill their core before the gateway fills its own, which is so for the servers written in
  C on small replies: there they say nothing about the gateway.
- The gateway's processes are pinned to one core; the origins and the load generator to another. Where there is none, the line of the run says so.
- The SCGI origin is one process that answers at the last byte of the request with bytes made beforehand, and closes: in C where there is
  a compiler, so that the gateway is the bottleneck, else (and with \`--origin node\`) in Node.js without a framework. @fastify/http-proxy
  speaks HTTP keep-alive to a \`node:http\` server with the same replies, over TCP.
- Each peer is started by the bench with its stock settings: fastify-scgi and @fastify/http-proxy with no option but the upstream and
  no logger; nginx with one worker, its scgi_params and no access log; Apache with mpm_event, one process of 128 threads and mod_proxy_scgi;
  lighttpd with mod_scgi. All have an accept queue of 1,024, and limits on requests per connection are lifted. A peer that is not installed
  is left out by name.
- **floor** is what Node.js alone costs: \`node:http\` with a bare SCGI exchange that checks nothing. **static** is a Fastify route that answers
  from memory.
- Before the rounds each peer's reply is compared with the origin's, byte for byte. A reply other than 2xx or a socket error fails the run.
- What runs on Node.js is warmed up first (50,000 requests each time: a gateway still compiles at its 60,000th), and
  again where it was idle before a round (V8 drops compiled code when idle). After a round the bench waits until the gateway is quiet; that
  work counts.
- From 100 kB on, requests are the bytes received over the bytes of one reply, since the end of a round cuts replies under way. Where
  a round of that length does not see two replies on each connection, it is made longer (30 s at most).

\`npm run bench -- --help\` lists the subjects and options; \`--profile\` shows where the gateway spends its time, \`--baseline DIR\` adds an earlier
build, \`--micro\` runs the small benchmarks of single functions.`
