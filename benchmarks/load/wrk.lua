-- Prints what the bench reads, in place of the text for people.
done = function (summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n@{"requests":%d,"bytes":%d,"microseconds":%d,"p99":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
    summary.requests, summary.bytes, summary.duration, latency:percentile(99.0),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end

-- With two arguments, 'post' and a length: sends a body of that length. With two others, a prefix and a count: asks for so many URLs in turn, which differ in their query.
function init (args)
  if args[1] == nil then return end
  if args[1] == 'post' then
    wrk.method = 'POST'
    wrk.body = string.rep('x', tonumber(args[2]))
    return
  end
  local turn, prefix, count, path = 0, args[1], tonumber(args[2]), wrk.path
  request = function ()
    turn = turn % count + 1
    return wrk.format(nil, string.format('%s?%s%d', path, prefix, turn))
  end
end
