-- Who waits for a name.

-- The longest that a hand-over lasts; that a place counts, with a second for a clock that is set back; and how long both keys
-- outlive the last change, in milliseconds.
local HAND_OVER, PLACE, QUEUED = 2000000, 3000000, 60000
local refusal

-- Until when a place counts; nothing where it does not any more. A clock that is set back by more makes none count for longer.
local function counts(place)
  if not place then return end
  local mark, format = place:byte(1, 2)
  if mark ~= 193 or format ~= 1 or #place ~= 50 then
    refusal = mark == 193 and format and format > 1 and { NEWER, format } or { FOREIGN }
    return
  end
  local till = struct.unpack('>I8', place, 3)
  if till > now and till <= now + PLACE then return till end
end

local function step_out(inbox)
  redis.call('ZREM', QUEUE, inbox)
  redis.call('HDEL', PLACES, inbox)
end

-- The client that stands first, or behind so many others; its place, and until when that counts. What does not count any more
-- is removed on the way.
local function standing(behind)
  while true do
    local inbox = redis.call('ZRANGE', QUEUE, behind, behind)[1]
    if not inbox then return end
    local place = redis.call('HGET', PLACES, inbox)
    local till = counts(place)
    if refusal then return end
    if till then return inbox, place, till end
    step_out(inbox)
  end
end

-- A waiter of the client, from four arguments on: owner, place, TTL, and how long the place counts. It takes the place that the
-- client has, if that counts and `at_the_end` is not set, and else the last one.
local function stand(inbox, from, at_the_end)
  if at_the_end or not counts(redis.call('HGET', PLACES, inbox)) then
    local highest = redis.call('ZREVRANGE', QUEUE, 0, 0, 'WITHSCORES')[2] or 0
    redis.call('ZADD', QUEUE, highest + 1, inbox)
  end
  local owner, place, ttl, lasts = unpack(ARGV, from, from + 3)
  local head = HEAD .. struct.pack('>I8I8', now + lasts * 1000, ttl * 1000)
  redis.call('HSET', PLACES, inbox, head .. owner .. place)
  redis.call('PEXPIRE', QUEUE, QUEUED)
  redis.call('PEXPIRE', PLACES, QUEUED)
end

-- Whether somebody was told: the client listens. A push that cannot be sent is as one that is lost.
local function told(inbox, who)
  local listeners = redis.pcall('PUBLISH', inbox, 'l' .. who .. RECORD)
  return type(listeners) == 'number' and listeners > 0
end

-- The free name goes to the first client that can be told, for a short time: a client that is gone listens no more, and one whose
-- connection was cut keeps its place. `inbox` and `place` are those of the first; `me` is told by the answer, which is owner and
-- place then.
local function hand_over(inbox, place, me)
  local behind = 0
  while inbox do
    local ttl, who = struct.unpack('>I8', place, 11), place:sub(19)
    if inbox == me or told(inbox, who) then
      local token = next_token()
      if not token then return '' end
      put(token, math.min(ttl, HAND_OVER), who, HANDED, true)
      step_out(inbox)
      return inbox == me and who or ''
    end
    behind = behind + 1
    inbox, place = standing(behind)
  end
  return ''
end
