-- Prints what the bench reads, in place of the text for people.
done = function (summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n@{"requests":%d,"bytes":%d,"microseconds":%d,"p99":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
    summary.requests, summary.bytes, summary.duration, latency:percentile(99.0),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
