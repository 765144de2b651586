-- What all scripts of a lock begin with: lock/call.rs describes names and bytes. What nobody waits for ends before `queue.lua`.
-- KEYS: record, queue, places
-- A refusal is an array that begins with FOREIGN, NEWER or EXHAUSTED; nothing was written then.
local GRANTED, WAIT, NONE, FOREIGN, NEWER, EXHAUSTED = 0, 1, 2, 3, 4, 5
local RECORD, QUEUE, PLACES = KEYS[1], KEYS[2], KEYS[3]
local HEAD, HANDED, WAITED = '\193\1', 1, 2
-- How long a record outlives its lease, in milliseconds: seven days, and one, because a renewal changes it once a day only.
local KEPT = 691200000

-- One instant for the whole call. All times are microseconds, unless they are a lifetime for the server.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- The last token; whether somebody may wait. Where the name is held: how long yet, by which owner and place, and whether it was
-- handed over and not taken up.
local last, waited, left, held_as, handed = 0, true
local bytes = redis.call('GET', RECORD)
if bytes then
  local mark, format = bytes:byte(1, 2)
  if mark == 193 and format and format > 1 then return { NEWER, format } end
  if mark ~= 193 or format ~= 1 or (#bytes ~= 11 and #bytes ~= 51) then return { FOREIGN } end
  last = struct.unpack('>I8', bytes, 3)
  local flags = bytes:byte(-1)
  waited = flags >= WAITED
  if #bytes == 51 then
    local expires = struct.unpack('>I8', bytes, 43)
    if expires > now then
      left, held_as, handed = expires - now, bytes:sub(11, 42), flags % WAITED == HANDED
    end
  end
end

-- The name is held for so long by this owner and place. `waits`: somebody may wait for it.
local function put(token, ttl, who, flag, waits)
  local bytes = HEAD .. struct.pack('>I8', token) .. who .. struct.pack('>I8B', now + ttl, flag + (waits and WAITED or 0))
  redis.call('SET', RECORD, bytes, 'PX', math.ceil(ttl / 1000) + KEPT)
end

-- A token above the last one, and above those of a record that was lost; nothing where there is none left.
local function next_token()
  -- A clock that is wrong by centuries gives no tokens.
  local token = math.max(last + 1, now < 4503599627370496 and now or 1)
  if token <= 9007199254740991 then return token end
end

-- Nobody holds the name. A server without memory refuses to write unless it has changed something else before.
local function free(waits)
  local bytes = HEAD .. struct.pack('>I8B', last, waits and WAITED or 0)
  if redis.pcall('SET', RECORD, bytes, 'PX', KEPT).err then
    redis.call('PEXPIRE', RECORD, KEPT)
    redis.call('SET', RECORD, bytes, 'PX', KEPT)
  end
end
