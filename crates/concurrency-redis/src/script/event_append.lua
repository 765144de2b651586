-- Appends events to a stream; under an id that is known, answers what was answered then.
-- KEYS: counters, log, stream, its append ids
-- ARGV: append id, content, expected ('a' anything, 'n' no stream, 'e' a stream, or its version), fencing token ('' for none),
--       milliseconds that a mark is kept, microseconds that an id is kept, channel, bytes of the largest event, then the events
-- Answers the first and the last version, and the position of the last.
local id, content, expected, token = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local log, refused = log_of(KEYS[1], KEYS[2])
if refused then return refused end
local stream, refused = stream_of(KEYS[3], log)
if refused then return refused end
local known = redis.call('HGET', KEYS[4], id)
local milliseconds = math.floor(now() / 1000)

if stream and known then
  refused = strange(known, 30)
  if refused then return refused end
  local first, count = struct.unpack('>I8I4', known, 3)
  local is_kept = first >= stream.first
    or (first >= stream.kept and now() < position_of(KEYS[3], stream, first) + tonumber(ARGV[6]))
  if is_kept then
    if known:sub(15) ~= content then return { REUSED } end
    local last = first + count - 1
    return { DONE, first, last, position_of(KEYS[3], stream, last) }
  end
end
if stream and token ~= '' and tonumber(token) < stream.token and milliseconds < stream.till then
  return { FENCED, stream.token }
end
local version = stream and stream.last or 0
local holds = expected == 'a' or expected == text(version)
  or (expected == 'n' and version == 0) or (expected == 'e' and version > 0)
if not holds then return { CONFLICT, version } end
if not log.tag then
  local lowest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if lowest and (#lowest ~= 10 or strange(lowest, 10)) then return { FOREIGN } end
end

-- Whom this wakes looks when all is done. From here on nothing fails but the first write: a script is not rolled back.
redis.call('PUBLISH', ARGV[7], '')
local position, count = math.max(log.last + 1, now()), #ARGV - 8
local tag = log.tag or FORMAT .. struct.pack('>I8', position)
local records, mark = {}, struct.pack('>I8I8', 0, 0)
for i = 1, count do records[i] = struct.pack('>I8', position + i - 1) .. id end
if token ~= '' then mark = struct.pack('>I8I8', tonumber(token), milliseconds + tonumber(ARGV[5])) end
if stream then
  redis.call('APPEND', KEYS[3], table.concat(records))
  if token ~= '' then redis.call('SETRANGE', KEYS[3], 34, mark) end
else
  -- What stands there, if anything, is of a log that is lost.
  redis.call('SET', KEYS[3], tag .. struct.pack('>I8I8I8', 0, 1, 1) .. mark .. table.concat(records))
  redis.call('UNLINK', KEYS[4])
end
if not log.tag then
  redis.call('UNLINK', KEYS[2])
  redis.call('ZADD', KEYS[2], 0, tag)
end
for i = 1, count do
  local at = position + i - 1
  local head = FORMAT .. struct.pack('>I8I8I8', at, version + i, milliseconds)
  redis.call('ZADD', KEYS[2], text(at), head .. ARGV[8 + i])
end
redis.call('HSET', KEYS[4], id, FORMAT .. struct.pack('>I8I4', version + 1, count) .. content)
local last, largest = position + count - 1, math.max(log.largest, tonumber(ARGV[8]))
redis.call('SET', KEYS[1], tag .. struct.pack('>I8I8I8', last, log.truncated, largest))
return { DONE, version + 1, version + count, last }
