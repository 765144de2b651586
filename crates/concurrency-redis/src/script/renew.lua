-- Moves the expiry of live leases to one TTL from now, never forward.
-- KEYS: records
-- ARGV: for each record 34 bytes: what it begins with (mark, format, token and owner), and TTL in microseconds
-- Answers a byte for each: 1 renewed, 0 lost, 255 not ours, any other a newer format.
local LOST, RENEWED, FOREIGN = '\0', '\1', '\255'
-- How long a record outlives its lease, in milliseconds; a day in microseconds.
local KEPT, DAY = 691200000, 86400000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Most leases of a burst have the same TTL.
local ttl, till, packed
local function ends_after(bytes)
  if bytes == ttl then return end
  ttl, till = bytes, now + struct.unpack('>I8', bytes)
  packed = struct.pack('>I8', till)
end

local function keep(record)
  redis.call('PEXPIRE', record, math.ceil((till - now) / 1000) + KEPT)
end

-- A server without memory refuses to write unless the script has changed something else before.
local function put(record)
  if type(redis.pcall('SETRANGE', record, 42, packed)) == 'table' then
    keep(record)
    redis.call('SETRANGE', record, 42, packed)
  end
end

local function renew(record, lease)
  local bytes = redis.pcall('GET', record)
  if not bytes then return LOST end
  -- One name of another type does not keep the others from being renewed.
  if bytes.err then return bytes.err:find('WRONGTYPE', 1, true) and FOREIGN or nil, bytes end
  if #bytes ~= 51 or bytes:sub(1, 26) ~= lease:sub(1, 26) then
    local mark, format = bytes:byte(1, 2)
    if mark == 193 and format == 1 and (#bytes == 11 or #bytes == 51) then return LOST end
    return mark == 193 and format and format > 1 and string.char(format) or FOREIGN
  end
  local expires = struct.unpack('>I8', bytes, 43)
  if expires <= now then return LOST end
  ends_after(lease:sub(27))
  if expires < till then
    if math.floor(expires / DAY) ~= math.floor(till / DAY) then keep(record) end
    put(record)
  end
  return RENEWED
end

local answers = {}
for i = 1, #KEYS do
  local answer, failure = renew(KEYS[i], ARGV[i])
  if not answer then return failure end
  answers[i] = answer
end
return table.concat(answers)
