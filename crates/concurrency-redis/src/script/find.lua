-- What a name looks like.
-- ARGV: owner, the client's inbox; neither where only the holder is asked for
-- Answers the token, the milliseconds left (0 where nobody holds it), and 'o' ours, 't' taken or 'f' free.
local token, left, held_by = holder()
if refusal then return refusal end
local looks = left and (held_by == ARGV[1] and 'o' or 't') or 'f'
if looks == 'f' and ARGV[2] then
  local before = standing(0)
  if before and before ~= ARGV[2] then looks = 't' end
end
return { token, left or 0, looks }
