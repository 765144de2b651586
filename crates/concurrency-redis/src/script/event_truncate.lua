-- Removes the first events of a stream, some at a time; then forgets append ids whose events were removed and whose time is over.
-- KEYS: counters, log, stream, its append ids, the streams with ids to forget
-- ARGV: stream, the version that is to be the first, most events, microseconds that an id is kept
-- Answers 1 where there is more to do, else 0.
local most, kept_for = tonumber(ARGV[3]), tonumber(ARGV[4])
local log, refused = log_of(KEYS[1], KEYS[2])
if refused then return refused end
local stream, refused = stream_of(KEYS[3], log)
if refused then return refused end
-- Now what fails where a name holds something else, and not between two writes.
redis.call('HLEN', KEYS[4])
redis.call('ZCARD', KEYS[5])
if not stream then
  redis.call('ZREM', KEYS[5], ARGV[1])
  return { DONE, 0 }
end

local wanted = math.min(tonumber(ARGV[2]), stream.last + 1)
local first = math.min(wanted, stream.first + most)
local removed = math.max(0, first - stream.first)
if removed > 0 then
  local records, at = records_of(KEYS[3], stream, stream.first, first - 1), nil
  for i = 0, removed - 1 do
    at = struct.unpack('>I8', records, i * RECORD + 1)
    redis.call('ZREMRANGEBYSCORE', KEYS[2], text(at), text(at))
  end
  redis.call('SET', KEYS[1], log.tag .. struct.pack('>I8I8I8', log.last, math.max(log.truncated, at), log.largest))
  stream.first = first
end

-- In the order in which they were appended, so that the first one whose time is not over ends it.
local forgotten = 0
while stream.kept < stream.first and forgotten < most do
  local at, id = struct.unpack('>I8c16', records_of(KEYS[3], stream, stream.kept, stream.kept))
  if now() < at + kept_for then break end
  local known = redis.call('HGET', KEYS[4], id)
  -- Not one that was used again since it was forgotten, and only the first event of an append has its id.
  if known and #known >= 10 and struct.unpack('>I8', known, 3) == stream.kept then redis.call('HDEL', KEYS[4], id) end
  stream.kept, forgotten = stream.kept + 1, forgotten + 1
end

if removed > 0 or forgotten > 0 then
  -- Records that nothing needs any more go when they are more than the others, so that each is moved once on average.
  local gone, left, rest = stream.kept - 1 - stream.base, stream.last - stream.kept + 1, nil
  if gone > left then
    rest = redis.call('GETRANGE', KEYS[3], HEADER + gone * RECORD, -1)
    stream.base = stream.kept - 1
  end
  local numbers = struct.pack('>I8I8I8', stream.base, stream.kept, stream.first)
  if rest then
    redis.call('SET', KEYS[3], log.tag .. numbers .. struct.pack('>I8I8', stream.token, stream.till) .. rest)
  else
    redis.call('SETRANGE', KEYS[3], 10, numbers)
  end
end
if stream.kept < stream.first then
  local due = position_of(KEYS[3], stream, stream.first - 1) + kept_for
  redis.call('ZADD', KEYS[5], text(math.ceil(due / 1000)), ARGV[1])
else
  redis.call('ZREM', KEYS[5], ARGV[1])
end
return { DONE, (first < wanted or forgotten == most) and 1 or 0 }
