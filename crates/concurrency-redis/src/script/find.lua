-- What a name looks like.
-- ARGV: owner, the client's inbox; neither where only the holder is asked for
-- Answers the token, how long it is held (0 where nobody holds it), and 'o' ours, 't' taken or 'f' free.
local looks = left and (held_as:sub(1, 16) == ARGV[1] and 'o' or 't') or 'f'
if looks == 'f' and waited and ARGV[2] then
  local before = standing(0)
  if before and before ~= ARGV[2] then looks = 't' end
end
return { last, left or 0, looks }
