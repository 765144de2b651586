-- What all scripts of a cache know: cache/entry.rs describes the bytes.
-- KEYS: the entry; the generation, where the cache has one
-- ARGV: a generation to create where there is none ('' for no creation); what the channel of a client begins with; and more
-- A refusal is an array of one of these numbers.
local FOREIGN, NEWER = 3, 4
local FORMAT = '\193\1'

-- A refusal where bytes are not ours.
local function strange(bytes)
  local mark, format = bytes:byte(1, 2)
  if mark ~= 193 or not format or format == 0 then return { FOREIGN } end
  if format > 1 then return { NEWER, format } end
end

-- The generation; nil where there is none; nil and a refusal where its bytes are not ours. '' where the cache has none at all.
local function generation_of(name, candidate)
  if not name then return '' end
  local stored = redis.call('GET', name)
  if stored then
    local refused = strange(stored)
    if refused then return nil, refused end
    return stored:sub(3)
  end
  if candidate == '' then return nil end
  redis.call('SET', name, FORMAT .. candidate)
  return candidate
end

-- 'v' for a value, 'r' for a reservation, nothing where there is none of this generation; nil and a refusal.
local function kind_of(name, generation)
  local head = redis.call('GETRANGE', name, 0, 18)
  if head == '' then return end
  local refused = strange(head)
  if refused then return nil, refused end
  if not generation or head:sub(4, 3 + #generation) ~= generation then return end
  return head:sub(3, 3)
end

-- A reservation is followed by its ticket, 16 bytes, and by the inboxes of those who wait, 32 bytes each.
local function ticket_of(name, generation)
  return redis.call('GETRANGE', name, 3 + #generation, 18 + #generation)
end

-- Tells those who wait for a reservation that it ends.
local function wake(name, generation, channel)
  local waiting = redis.call('GETRANGE', name, 19 + #generation, -1)
  for at = 1, #waiting, 32 do redis.call('PUBLISH', channel .. waiting:sub(at, at + 31), 'c' .. name) end
end

-- Value or reservation, with its lifetime in milliseconds ('' for none), in one step.
local function put(name, kind, generation, rest, lifetime)
  local entry = FORMAT .. kind .. generation .. rest
  if lifetime == '' then redis.call('SET', name, entry) else redis.call('SET', name, entry, 'PX', lifetime) end
end
