-- Releases a name: the claim holds nothing afterwards and waits for nothing.
-- ARGV: owner; token, '' for whatever it is; the client's inbox; 'w' if somebody waited in the client under this owner; then owner,
-- place, TTL and how long the place counts of whoever stands first in the client, if anybody does; all times in milliseconds
-- Answers 'o' ours, 'n' not held or 'h' held by other; and owner and place of a waiter of the client that the name was handed to.
local answer = 'n'
if left then
  local is_ours = held_as:sub(1, 16) == ARGV[1] and (ARGV[2] == '' or tonumber(ARGV[2]) == last)
  answer = is_ours and 'o' or 'h'
end
if not waited then
  if answer == 'o' then free(false) end
  return { answer, '' }
end
