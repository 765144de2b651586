-- Finds a value, or reserves its key where there is neither a value nor a reservation.
-- ARGV: .., milliseconds to hold it, the ticket of this copy, and those of the copies before it
-- Answers the entry; or which of these tickets stands, counted from 1, and 0 where it is another one.
local generation, refused = generation_of(KEYS[2], ARGV[1])
if refused then return refused end
local kind, strange_kind = kind_of(KEYS[1], generation)
if strange_kind then return strange_kind end
if kind == 'v' then return redis.call('GET', KEYS[1]) end
if kind == 'r' then
  local standing = ticket_of(KEYS[1], generation)
  for i = 4, #ARGV do
    if ARGV[i] == standing then return i - 3 end
  end
  return 0
end
put(KEYS[1], 'r', generation, ARGV[4], ARGV[3])
return 1
