-- What follows a position in the global order, up to the event that reaches so many bytes.
-- KEYS: counters, log
-- ARGV: position, most events, bytes
-- Answers the last position that was ever given, the highest that was truncated, whether this is all there is, and then the
-- events.
local most, bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
local log, refused = log_of(KEYS[1], KEYS[2])
if refused then return refused end
local answer, size, count = { DONE, log.last, log.truncated, 1 }, 0, 0
if not log.tag then return answer end
-- Of a position of an older log nothing was truncated here: it was lost.
local after = tonumber(ARGV[1])
if after > 0 and after < log.begins - 1 then answer[3] = 0 end

-- At position 0 stands the tag.
local from = '(' .. ARGV[1]
while true do
  local wanted = math.min(as_many(log, bytes - size), most - count)
  local events = redis.call('ZRANGEBYSCORE', KEYS[2], from, '+inf', 'LIMIT', 0, wanted)
  for _, event in ipairs(events) do
    answer[#answer + 1] = event
    size = size + #event
  end
  count = count + #events
  if #events < wanted then return answer end
  -- A foreign one ends the page; whoever reads it says so.
  local last = answer[#answer]
  if count == most or size >= bytes or #last < HEADER then break end
  from = '(' .. text((struct.unpack('>I8', last, 3)))
end
answer[4] = 0
return answer
