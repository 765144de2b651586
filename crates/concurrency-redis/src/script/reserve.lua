-- Finds a value, or reserves its key where there is neither a value nor a reservation.
-- ARGV: .., ticket, milliseconds to hold it
-- Answers the entry; or 1 where it is reserved by this ticket, 0 where by another one.
local generation, refused = generation_of(KEYS[2], ARGV[1])
if refused then return refused end
local kind, strange_kind = kind_of(KEYS[1], generation)
if strange_kind then return strange_kind end
if kind == 'v' then return redis.call('GET', KEYS[1]) end
if kind == 'r' then return ticket_of(KEYS[1], generation) == ARGV[3] and 1 or 0 end
put(KEYS[1], 'r', generation, ARGV[3], ARGV[4])
return 1
