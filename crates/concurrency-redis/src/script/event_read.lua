-- A stretch of a stream, which ends early with the event that reaches so many bytes.
-- KEYS: counters, log, stream
-- ARGV: version, 'f' forwards or 'b' backwards, most events, bytes
-- Answers the first version that is left, the last that ever was, and then the events.
local backwards, most, bytes = ARGV[2] == 'b', tonumber(ARGV[3]), tonumber(ARGV[4])
local log, refused = log_of(KEYS[1], KEYS[2])
if refused then return refused end
local stream, refused = stream_of(KEYS[3], log)
if refused then return refused end
if not stream then return { DONE, 1, 0 } end

local answer, size = { DONE, stream.first, stream.last }, 0
local low, high
if backwards then
  high = math.min(tonumber(ARGV[1]), stream.last)
  low = math.max(stream.first, high - most + 1)
else
  low = math.max(tonumber(ARGV[1]), stream.first)
  high = math.min(stream.last, low + most - 1)
end
if low > high then return answer end
local records = records_of(KEYS[3], stream, low, high)
local function position(version) return (struct.unpack('>I8', records, (version - low) * RECORD + 1)) end

-- Positions side by side are one range: no other stream has any of them.
local version, step = low, 1
if backwards then version, step = high, -1 end
while version >= low and version <= high and size < bytes do
  local from, longest = position(version), as_many(log, bytes - size)
  local to, count = from, 1
  version = version + step
  while version >= low and version <= high and count < longest and position(version) == to + step do
    to, count, version = to + step, count + 1, version + step
  end
  local command = backwards and 'ZREVRANGEBYSCORE' or 'ZRANGEBYSCORE'
  local events = redis.call(command, KEYS[2], text(from), text(to))
  if #events ~= count then return { LOST } end
  for _, event in ipairs(events) do
    answer[#answer + 1] = event
    size = size + #event
  end
end
return answer
