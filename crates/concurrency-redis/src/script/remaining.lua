-- A value and the milliseconds that are left of it (-1 where it has no end), at one instant; or 0 where there is no value.
local generation, refused = generation_of(KEYS[2], '')
if refused then return refused end
local kind, strange_kind = kind_of(KEYS[1], generation)
if strange_kind then return strange_kind end
if kind ~= 'v' then return 0 end
local left = redis.call('PTTL', KEYS[1])
-- The server lets a value live through the millisecond of its deadline.
if left == 0 then return 0 end
return { redis.call('GET', KEYS[1]), left }
