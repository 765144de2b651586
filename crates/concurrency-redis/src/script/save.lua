-- Saves one value.
-- KEYS: index, value, mark (where fenced)
-- ARGV: key, prefix, value, lifetime, condition, fencing token ('' for none), milliseconds that a mark is kept
local key, prefix, value, lifetime, condition, token = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if token ~= '' then
  local refused = fenced(KEYS[3], token)
  if refused then return refused end
end
local version, deadline, refused = live(KEYS[2])
if refused then return refused end
if not holds(condition, version) then return { CONFLICT, version or '' } end
-- First what fails where the name of the index holds something else.
redis.call('ZADD', KEYS[1], 0, key)
if token ~= '' then raise(KEYS[3], token, ARGV[7]) end
put(KEYS[2], prefix, value, lifetime, deadline)
return 0
