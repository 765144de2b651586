-- Removes entries: all of them; or, where the cache has generations, those that are not of the present one.
-- KEYS: entries
-- ARGV: 'a' for all, or the name of the generation stands last among KEYS; what the channel of a client begins with
local entries, generation, refused = #KEYS, '', nil
if ARGV[1] ~= 'a' then
  entries = entries - 1
  generation, refused = generation_of(KEYS[#KEYS], '')
  if refused then return refused end
end
for i = 1, entries do
  -- What is of another type is not ours.
  local head = redis.pcall('GETRANGE', KEYS[i], 0, 18)
  if type(head) == 'string' and head ~= '' and not strange(head) then
    local is_present = generation and head:sub(4, 3 + #generation) == generation
    if ARGV[1] == 'a' or not is_present then
      if head:sub(3, 3) == 'r' and generation then wake(KEYS[i], generation, ARGV[2]) end
      redis.call('UNLINK', KEYS[i])
    end
  end
end
return 0
