-- The first bytes of some values, in the order of their names; '' where there is none. Keys whose value is gone leave the index.
-- KEYS: index, values
-- ARGV: how many bytes, then the keys
-- Answers the present in milliseconds, as text, and then the bytes.
local heads = { string.format('%.0f', now()) }
for i = 2, #KEYS do
  local head = redis.call('GETRANGE', KEYS[i], 0, ARGV[1] - 1)
  if head == '' then redis.call('ZREM', KEYS[1], ARGV[i]) end
  heads[i] = head
end
return heads
