-- Clears a cache that has generations: begins another one.
-- KEYS: the generation
-- ARGV: its random bytes
local _, refused = generation_of(KEYS[1], '')
if refused then return refused end
redis.call('SET', KEYS[1], FORMAT .. ARGV[1])
return 1
