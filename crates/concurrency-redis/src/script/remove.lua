-- Removes a value or ends a reservation; answers whether there was a value: 1 or 0.
-- ARGV: .., ticket: only the reservation of this one; '' for whatever there is
local generation, refused = generation_of(KEYS[2], '')
if refused then return refused end
local kind, strange_kind = kind_of(KEYS[1], generation)
if strange_kind then return strange_kind end
if ARGV[3] ~= '' and (kind ~= 'r' or ticket_of(KEYS[1], generation) ~= ARGV[3]) then return 0 end
if kind == 'r' then wake(KEYS[1], generation, ARGV[2]) end
-- Also what is of an older generation.
redis.call('UNLINK', KEYS[1])
return kind == 'v' and 1 or 0
