-- Sets a value while a reservation stands; answers whether it did: 1 or 0.
-- ARGV: .., value, lifetime, ticket
local generation, refused = generation_of(KEYS[2], '')
if refused then return refused end
local kind, strange_kind = kind_of(KEYS[1], generation)
if strange_kind then return strange_kind end
if kind ~= 'r' or ticket_of(KEYS[1], generation) ~= ARGV[5] then return 0 end
wake(KEYS[1], generation, ARGV[2])
put(KEYS[1], 'v', generation, ARGV[3], ARGV[4])
return 1
