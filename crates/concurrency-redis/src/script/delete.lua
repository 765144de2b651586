-- Deletes one value; answers whether it was live: 1 or 0.
-- KEYS: index, value, mark (where fenced)
-- ARGV: key, condition, fencing token ('' for none), milliseconds that a mark is kept
local key, condition, token = ARGV[1], ARGV[2], ARGV[3]
if token ~= '' then
  local refused = fenced(KEYS[3], token)
  if refused then return refused end
end
local version, _, refused = live(KEYS[2])
if refused then return refused end
if not holds(condition, version) then return { CONFLICT, version or '' } end
redis.call('ZREM', KEYS[1], key)
if token ~= '' then raise(KEYS[3], token, ARGV[4]) end
redis.call('UNLINK', KEYS[2])
return version and 1 or 0
