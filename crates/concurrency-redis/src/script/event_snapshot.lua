-- Keeps a snapshot, unless a newer one is there.
-- KEYS: snapshot
-- ARGV: the bytes of it, which begin with format and version
local head, given = redis.call('GETRANGE', KEYS[1], 0, 9), ARGV[1]
if head ~= '' then
  local refused = strange(head, 10)
  if refused then return refused end
  -- In two halves: versions of 64 bits are more than a number holds.
  local high, low = struct.unpack('>I4I4', head, 3)
  local given_high, given_low = struct.unpack('>I4I4', given, 3)
  if high > given_high or (high == given_high and low > given_low) then return { DONE } end
end
redis.call('SET', KEYS[1], given)
return { DONE }
