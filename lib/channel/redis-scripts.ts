import { Script } from '../redis/script.ts'

// What is in Redis, K being '{prefix}:group':
//
//   K           hash: by group and key (the name of the group, NUL, the key) the clock, the process and the event, in JSON
//   K:alive     sorted set of the processes, by the time of Redis until which each is taken to live
//   K:since     sorted set of the processes, by the time of Redis at which each came
//
// K is also where events are published: lists of them in JSON, or the word 'members' where somebody has come or gone.

/** Takes events in: field, clock, process and JSON of each. Those that hold against what is there are published. */
export const PUBLISH = new Script(`
local news = {}
for i = 1, #ARGV, 4 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  local later = true
  if known then
    local clock, process = string.match(known, '^(%d+) (%S+) ')
    local mine, its = tonumber(ARGV[i + 1]), tonumber(clock)
    later = mine > its or (mine == its and ARGV[i + 2] > process)
  end
  if later then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2] .. ' ' .. ARGV[i + 3])
    news[#news + 1] = ARGV[i + 3]
  end
end
if #news > 0 then redis.call('PUBLISH', KEYS[1], '[' .. table.concat(news, ',') .. ']') end
return #news`)

/** Says that a process lives: its name, for how many milliseconds, and for how many everything is kept. Gives all that live, the first to come first. */
export const ALIVE = new Script(`
local alive, since = KEYS[1] .. ':alive', KEYS[1] .. ':since'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local changed = 0
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', alive, '-inf', string.format('%d', now))) do
  redis.call('ZREM', alive, gone)
  redis.call('ZREM', since, gone)
  changed = 1
end
redis.call('ZADD', alive, string.format('%d', now + ARGV[2]), ARGV[1])
changed = changed + redis.call('ZADD', since, 'NX', string.format('%d', now), ARGV[1])
for _, key in ipairs({ KEYS[1], alive, since }) do redis.call('PEXPIRE', key, ARGV[3]) end
if changed > 0 then redis.call('PUBLISH', KEYS[1], 'members') end
return redis.call('ZRANGE', since, 0, -1)`)

/** A process has left. */
export const LEAVE = new Script(`
redis.call('ZREM', KEYS[1] .. ':alive', ARGV[1])
redis.call('ZREM', KEYS[1] .. ':since', ARGV[1])
redis.call('PUBLISH', KEYS[1], 'members')
return 1`)

/** Forgets events: field and value of each, if nothing later was said meanwhile. */
export const FORGET = new Script(`
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return 1`)
