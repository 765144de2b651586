-- Sets a value, and ends a reservation.
-- ARGV: .., value, lifetime
local generation, refused = generation_of(KEYS[2], ARGV[1])
if refused then return refused end
local kind, strange_kind = kind_of(KEYS[1], generation)
if strange_kind then return strange_kind end
if kind == 'r' then wake(KEYS[1], generation, ARGV[2]) end
put(KEYS[1], 'v', generation, ARGV[3], ARGV[4])
return 1
