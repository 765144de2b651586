-- Has a client told when a reservation ends.
-- ARGV: .., the client's own part of the name of its inbox; the most clients that may wait
-- Answers its ticket and the milliseconds that are left of it; or 0 where there is no reservation.
local generation, refused = generation_of(KEYS[2], '')
if refused then return refused end
local kind, strange_kind = kind_of(KEYS[1], generation)
if strange_kind then return strange_kind end
if kind ~= 'r' then return 0 end
local waiting = redis.call('GETRANGE', KEYS[1], 19 + #generation, -1)
local is_new = true
for at = 1, #waiting, 32 do
  if waiting:sub(at, at + 31) == ARGV[3] then is_new = false end
end
-- Who finds no room looks again by itself.
if is_new and #waiting < 32 * tonumber(ARGV[4]) then redis.call('APPEND', KEYS[1], ARGV[3]) end
return { ticket_of(KEYS[1], generation), redis.call('PTTL', KEYS[1]) }
