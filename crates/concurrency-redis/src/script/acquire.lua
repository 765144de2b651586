-- Takes a name, or stands in line for it.
-- ARGV: 'w' wait, 't' try or 'u' take up only; the client's inbox; owner, place, TTL, how long the place counts; the same four
-- of whoever stands next in the client, if anybody does; all times in milliseconds
-- Answers GRANTED, token, and 1 if it is this place's grant, 0 if the owner held the name before; WAIT and for how long at most;
-- or NONE.
local how, inbox, owner, who, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[3] .. ARGV[4], ARGV[5] * 1000
local is_ours = left and held_as:sub(1, 16) == owner
if how ~= 'w' and not is_ours and (how == 'u' or left) then return { NONE } end

if not waited and not left and not ARGV[7] then
  local token = next_token()
  if not token then return { EXHAUSTED } end
  put(token, ttl, who, 0, false)
  return { GRANTED, token, 1 }
end
