-- Moves the expiry of live leases to one TTL from now, never forward.
-- KEYS: records
-- ARGV: for each record 32 bytes: owner, token, and TTL in milliseconds
-- Answers a byte for each: 1 renewed, 0 lost, 255 not ours, any other a newer format.
local HEAD, BEYOND = '\193\1', 691200000
local LOST, RENEWED, FOREIGN = 0, 1, 255

local function renew(record, lease)
  local bytes = redis.pcall('GET', record)
  if not bytes then return LOST end
  -- One name of another type does not keep the others from being renewed.
  if bytes.err then return bytes.err:find('WRONGTYPE', 1, true) and FOREIGN or nil, bytes end
  if bytes:sub(1, 2) ~= HEAD then
    local mark, format = bytes:byte(1, 2)
    return mark == 193 and format and format > 1 and format or FOREIGN
  end
  if bytes:sub(3, 10) ~= lease:sub(17, 24) or bytes:sub(12, 27) ~= lease:sub(1, 16) then return LOST end
  local left, ttl = redis.call('PTTL', record) - BEYOND, struct.unpack('>I8', lease, 25)
  if left <= 0 then return LOST end
  if left <= ttl then redis.call('PEXPIRE', record, ttl + 1 + BEYOND) end
  return RENEWED
end

local answers = {}
for i = 1, #KEYS do
  local answer, failure = renew(KEYS[i], ARGV[i])
  if not answer then return failure end
  answers[i] = string.char(answer)
end
return table.concat(answers)
