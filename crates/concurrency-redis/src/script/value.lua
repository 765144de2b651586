-- What all scripts of a state store know: stored.rs describes the bytes.
-- A refusal is an array that begins with one of these numbers; state/answer.rs reads them.
local CONFLICT, FENCED, FOREIGN, NEWER = 1, 2, 3, 4
local FORMAT = '\193\1'

-- One instant for the whole call, in milliseconds.
local instant
local function now()
  if not instant then
    local time = redis.call('TIME')
    instant = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  end
  return instant
end

-- Version and deadline (0 for never) of the live value under a name; nothing where there is none; nil, nil and a refusal where
-- the bytes are not ours.
local function live(name)
  local head = redis.call('GETRANGE', name, 0, 25)
  if head == '' then return end
  local mark, format = head:byte(1, 2)
  if mark ~= 193 or #head < 26 or format == 0 then return nil, nil, { FOREIGN } end
  if format > 1 then return nil, nil, { NEWER, format } end
  local deadline = struct.unpack('>I8', head, 19)
  if deadline > 0 and deadline <= now() then return end
  return head:sub(3, 18), deadline
end

-- Whether what must hold does hold: 'a' anything, 'n' no live value, 'p' a live value, or the version of the live value.
local function holds(condition, version)
  if condition == 'a' then return true end
  if condition == 'n' then return not version end
  if condition == 'p' then return version ~= nil end
  return condition == version
end

-- A refusal where a fencing token is below the mark under a name.
local function fenced(name, token)
  local mark = redis.call('GET', name)
  if not mark then return end
  local first, format = mark:byte(1, 2)
  if first == 193 and format and format > 1 then return { NEWER, format } end
  local seen = mark:sub(1, 2) == FORMAT and tonumber(mark:sub(3))
  if not seen then return { FOREIGN } end
  if tonumber(token) < seen then return { FENCED, mark:sub(3) } end
end

local function raise(name, token, milliseconds)
  redis.call('SET', name, FORMAT .. token, 'PX', milliseconds)
end

-- Value and lifetime in one step. `lifetime` is '' for never, 'k' for what `deadline` says, or milliseconds from now.
local function put(name, prefix, value, lifetime, deadline)
  local at = 0
  if lifetime == 'k' then at = deadline or 0 elseif lifetime ~= '' then at = now() + tonumber(lifetime) end
  local stored = prefix .. struct.pack('>I8', at) .. value
  -- Numbers from 1e14 on print with an exponent unless told otherwise.
  if at > 0 then redis.call('SET', name, stored, 'PXAT', string.format('%.0f', at)) else redis.call('SET', name, stored) end
end
