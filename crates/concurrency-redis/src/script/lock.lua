-- What all scripts of a lock know: lock/table.rs describes names and bytes.
-- KEYS: record, queue, places
-- A refusal is an array that begins with FOREIGN, NEWER or EXHAUSTED; nothing was written then.
local GRANTED, WAIT, NONE, FOREIGN, NEWER, EXHAUSTED = 0, 1, 2, 3, 4, 5
local RECORD, QUEUE, PLACES = KEYS[1], KEYS[2], KEYS[3]
local HEAD, TAKEN, HANDED = '\193\1', 't', 'h'
-- A record outlives its lease by eight days, in milliseconds: what is left of its lifetime beyond them is left of the lease.
-- After a release it lives for seven, so that a clock that is set back by less than a day makes no lease of it again.
local BEYOND, RELEASED = 691200000, 604800000
-- The longest that a hand-over lasts, and that a place counts; and how long both keys of a queue outlive its last change.
local HAND_OVER, PLACE, QUEUED = 2000, 2000, 60000
local refusal

-- One instant for the whole call, in microseconds.
local instant
local function micros()
  if not instant then
    local time = redis.call('TIME')
    instant = tonumber(time[1]) * 1000000 + tonumber(time[2])
  end
  return instant
end

local function now()
  return math.floor(micros() / 1000)
end

local function ours(bytes, length)
  local mark, format = bytes:byte(1, 2)
  if mark == 193 and format == 1 and #bytes == length then return true end
  refusal = mark == 193 and format and format > 1 and { NEWER, format } or { FOREIGN }
end

-- The last token of the name. Then, where it is held: milliseconds left, owner, owner and place, whether it was handed and not
-- taken up.
local function holder()
  local bytes = redis.call('GET', RECORD)
  if not bytes or not ours(bytes, 43) then return 0 end
  local token = struct.unpack('>I8', bytes, 3)
  local left = redis.call('PTTL', RECORD) - BEYOND
  if left <= 0 then return token end
  return token, left, bytes:sub(12, 27), bytes:sub(12), bytes:sub(11, 11) == HANDED
end

-- One millisecond more, because the server's clock is as coarse as that: no lease ends early.
local function put(token, ttl, state, who)
  redis.call('SET', RECORD, HEAD .. struct.pack('>I8', token) .. state .. who, 'PX', ttl + 1 + BEYOND)
end

-- Never shortens.
local function extend(left, ttl)
  if left <= ttl then redis.call('PEXPIRE', RECORD, ttl + 1 + BEYOND) end
end

-- A token above the last one, and above those of a record that was lost. Nothing, and a refusal, where there is none left.
local function grant(last, ttl, state, who)
  -- A clock that is wrong by centuries gives no tokens.
  local token = math.max(last + 1, micros() < 4503599627370496 and micros() or 1)
  if token > 9007199254740991 then
    refusal = { EXHAUSTED }
    return
  end
  put(token, ttl, state, who)
  return token
end

local function free()
  redis.call('PEXPIRE', RECORD, RELEASED)
end

-- Until when a place counts; nothing where it does not any more. A clock that is set back makes none count for longer.
local function counts(place)
  if not place or not ours(place, 50) then return end
  local till = struct.unpack('>I8', place, 3)
  if till > now() and till <= now() + PLACE then return till end
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
-- client has, if that counts and `last` is not set, and else the last one.
local function stand(inbox, from, last)
  if last or not counts(redis.call('HGET', PLACES, inbox)) then
    local highest = redis.call('ZREVRANGE', QUEUE, 0, 0, 'WITHSCORES')[2] or 0
    redis.call('ZADD', QUEUE, highest + 1, inbox)
  end
  local owner, by, ttl, lasts = unpack(ARGV, from, from + 3)
  local bytes = HEAD .. struct.pack('>I8I8', now() + lasts, ttl) .. owner .. by
  redis.call('HSET', PLACES, inbox, bytes)
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
local function hand_over(last, inbox, place, me)
  local behind = 0
  while inbox do
    local ttl, who = struct.unpack('>I8', place, 11), place:sub(19)
    if inbox == me or told(inbox, who) then
      if not grant(last, math.min(ttl, HAND_OVER), HANDED, who) then return '' end
      step_out(inbox)
      return inbox == me and who or ''
    end
    behind = behind + 1
    inbox, place = standing(behind)
  end
  return ''
end
