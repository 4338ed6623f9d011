import { Script } from '../../../redis/script.ts'

// What is in Redis, P being the prefix and H the SHA-1 of zone and key:
//
//   P{H}       hash: key (zone, NUL, key), vary (lists of header names, one a line), n (number of the last writing)
//   P{H}:v     sorted set of the variants, by the time until which each is of use
//   P{H}:V     hash, a variant: n, id, names (those of Vary), meta (JSON), stale, delete, body; V is the SHA-1 of the method and the headers that select it
//   P:tag:T    sorted set of the variants with a tag, as H:V:id, by time
//
// Everything goes when its time is over. Head and body are one hash, and each script is one step: nobody sees the one without the other.

/** The text of the variant that headers select, as `variantText` makes it; they may be those of a head in JSON. */
const VARIANT = `
local function variantOf (method, names, headers)
  local variant = method
  for name in string.gmatch(names, '[^,]+') do
    local value = headers[name]
    if type(value) == 'table' then value = table.concat(value, ', ') end
    variant = variant .. '\\n' .. name
    if value and value ~= cjson.null then variant = variant .. ':' .. value end
  end
  return variant
end
`

/** Finds the variant of a request, the one written last if there are several, and the lists of names that select variants. */
const FIND = `${VARIANT}
local function find (main, text, method, from)
  local head = redis.call('HMGET', main, 'key', 'vary')
  if head[1] ~= text then return nil end
  local headers = {}
  for i = from, #ARGV - 1, 2 do headers[ARGV[i]] = ARGV[i + 1] end
  local best, number
  for line in string.gmatch(head[2], '([^\\n]*)\\n') do
    local entry = main .. ':' .. redis.sha1hex(variantOf(method, line, headers))
    local n = tonumber(redis.call('HGET', entry, 'n') or '')
    if n and (not number or n > number) then best, number = entry, n end
  end
  return best, head[2]
end
`

/** Keeps a key until a time, but not shorter than it would be kept. */
const KEEP = `
local function keep (key, time, now)
  local left = redis.call('PTTL', key)
  if left == -1 or left < time - now then redis.call('PEXPIREAT', key, time) end
end
`

/** Lists of header names by which the entries of one key differ; with more, those used longest ago are forgotten. */
const MAX_LISTS = 8

/** text, method, headers... -> lists of names, meta, stale, body, id */
export const GET = new Script(`${FIND}
local entry, lists = find(KEYS[1], ARGV[1], ARGV[2], 3)
if not entry then return {lists or ''} end
local found = redis.call('HMGET', entry, 'meta', 'stale', 'body', 'id')
return {lists, found[1], found[2], found[3], found[4]}`)

/** text, method, start, end, headers... -> bytes */
export const RANGE = new Script(`${FIND}
local entry = find(KEYS[1], ARGV[1], ARGV[2], 5)
if not entry or tonumber(ARGV[4]) >= redis.call('HSTRLEN', entry, 'body') then return false end
return string.sub(redis.call('HGET', entry, 'body'), ARGV[3] + 1, ARGV[4] + 1)`)

/**
 * Removes the variants that no request would get any more, as a newer one holds for all of theirs, and those of a list that is to be
 * forgotten: they would be found again when the newer one goes, or the list comes back.
 */
const SUPERSEDE = `${VARIANT}
local function has (names, wanted)
  for name in string.gmatch(wanted, '[^,]+') do
    if not string.find(',' .. names .. ',', ',' .. name .. ',', 1, true) then return false end
  end
  return true
end
local function isSuperseded (entry, names, variant)
  local meta = cjson.decode(redis.call('HGET', entry, 'meta'))
  local vary = type(meta.vary) == 'table' and meta.vary or {}
  return redis.sha1hex(variantOf(meta.method, names, vary)) == variant
end
local function supersede (main, names, variant, fates)
  local left = {}
  for _, other in ipairs(redis.call('ZRANGE', main .. ':v', 0, -1)) do
    local entry = main .. ':' .. other
    local line = redis.call('HGET', entry, 'names')
    if fates[line] == 'forgotten' or (fates[line] == 'covered' and isSuperseded(entry, names, variant)) then
      redis.call('DEL', entry)
      redis.call('ZREM', main .. ':v', other)
    elseif line then
      left[line] = true
    end
  end
  return left
end
`

/**
 * text, vary, variant, id, meta, stale, delete, now, body
 *
 * Redis without room refuses a script at its first command, but not if that frees memory: the one that takes some comes first.
 */
export const COMMIT = new Script(`${KEEP}${SUPERSEDE}
local main, text, names, time, now = KEYS[1], ARGV[1], ARGV[2], ARGV[7], ARGV[8]
redis.call('HSET', main, 'key', text)
redis.call('ZREMRANGEBYSCORE', main .. ':v', '-inf', now)
local others, fates = {}, {}
for line in string.gmatch(redis.call('HGET', main, 'vary') or '', '([^\\n]*)\\n') do
  if line ~= names then
    others[#others + 1] = line
    if #others >= ${MAX_LISTS} then fates[line] = 'forgotten' elseif has(line, names) then fates[line] = 'covered' end
  end
end
local left = next(fates) and supersede(main, names, ARGV[3], fates) or {}
local lists = names .. '\\n'
for _, line in ipairs(others) do
  if left[line] or not fates[line] then lists = lists .. line .. '\\n' end
end
redis.call('HSET', main, 'vary', lists)
local n = redis.call('HINCRBY', main, 'n', 1)
local entry = main .. ':' .. ARGV[3]
redis.call('DEL', entry)
redis.call('HSET', entry, 'n', n, 'id', ARGV[4], 'names', names, 'meta', ARGV[5], 'stale', ARGV[6], 'delete', time, 'body', ARGV[9])
redis.call('PEXPIREAT', entry, time)
redis.call('ZADD', main .. ':v', time, ARGV[3])
keep(main .. ':v', time, now)
keep(main, time, now)
return n`)

/** Puts a variant among those of a tag. */
const INDEX = `
local function index (tag, member, time, now)
  redis.call('ZREMRANGEBYSCORE', tag, '-inf', now)
  redis.call('ZADD', tag, time, member)
  keep(tag, time, now)
end
`

/**
 * text, method, meta, id, stale, delete, now, H, number of tags, keys of the tags, number of those that it has lost, their keys, headers...
 * -> 1 where the variant is still that writing
 */
export const UPDATE = new Script(`${FIND}${KEEP}${INDEX}
local main, time, now = KEYS[1], ARGV[6], ARGV[7]
local lost = 10 + tonumber(ARGV[9])
local headers = lost + 1 + tonumber(ARGV[lost])
local entry = find(main, ARGV[1], ARGV[2], headers)
if not entry or redis.call('HGET', entry, 'id') ~= ARGV[4] then return 0 end
local variant = string.sub(entry, #main + 2)
redis.call('HSET', entry, 'meta', ARGV[3], 'stale', ARGV[5], 'delete', time)
redis.call('PEXPIREAT', entry, time)
redis.call('ZADD', main .. ':v', time, variant)
keep(main .. ':v', time, now)
keep(main, time, now)
local member = ARGV[8] .. ':' .. variant .. ':' .. ARGV[4]
for i = 10, lost - 1 do index(ARGV[i], member, time, now) end
for i = lost + 1, headers - 1 do redis.call('ZREM', ARGV[i], member) end
return 1`)

/** One entry, removed or made stale. */
const PURGE_ENTRY = `
local function purge (entry, soft, now)
  if redis.call('EXISTS', entry) == 0 then return 0 end
  if soft ~= '1' then
    redis.call('DEL', entry)
  elseif tonumber(redis.call('HGET', entry, 'stale')) > tonumber(now) then
    redis.call('HSET', entry, 'stale', now)
  end
  return 1
end
`

/** soft, now -> number of entries of a key */
export const PURGE = new Script(`${PURGE_ENTRY}
local count = 0
for _, variant in ipairs(redis.call('ZRANGE', KEYS[1] .. ':v', 0, -1)) do
  count = count + purge(KEYS[1] .. ':' .. variant, ARGV[1], ARGV[2])
end
if ARGV[1] ~= '1' then redis.call('DEL', KEYS[1], KEYS[1] .. ':v') end
return count`)

/** soft, now, variant, id -> 1 where the variant is still that writing */
export const PURGE_ONE = new Script(`${PURGE_ENTRY}
local entry = KEYS[1] .. ':' .. ARGV[3]
if redis.call('HGET', entry, 'id') ~= ARGV[4] then return 0 end
return purge(entry, ARGV[1], ARGV[2])`)

/** member, delete, now; on the key of a tag */
export const TAG = new Script(`${KEEP}${INDEX}
index(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return 1`)

/** -> key, and the meta of each variant */
export const LIST = new Script(`
local result = { redis.call('HGET', KEYS[1], 'key') }
for _, variant in ipairs(redis.call('ZRANGE', KEYS[1] .. ':v', 0, -1)) do
  local meta = redis.call('HGET', KEYS[1] .. ':' .. variant, 'meta')
  if meta then result[#result + 1] = meta end
end
return result`)
