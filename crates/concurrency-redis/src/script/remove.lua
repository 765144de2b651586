-- Removes a value or ends a reservation; answers whether there was a value: 1 or 0.
-- ARGV: .., tickets: only the reservation of one of these; none for whatever there is
local generation, refused = generation_of(KEYS[2], '')
if refused then return refused end
local kind, strange_kind = kind_of(KEYS[1], generation)
if strange_kind then return strange_kind end
if ARGV[3] then
  local standing, is_one = kind == 'r' and ticket_of(KEYS[1], generation), false
  for i = 3, #ARGV do is_one = is_one or ARGV[i] == standing end
  if not is_one then return 0 end
end
if kind == 'r' then wake(KEYS[1], generation, ARGV[2]) end
-- Also what is of an older generation.
redis.call('UNLINK', KEYS[1])
return kind == 'v' and 1 or 0
