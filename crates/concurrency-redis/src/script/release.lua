-- Releases a name: the claim holds nothing afterwards and waits for nothing.
-- ARGV: owner; token, '' for whatever it is; the client's inbox; 'w' if somebody waited in the client under this owner; then owner,
-- place, TTL and how long the place counts of whoever stands first in the client, if anybody does
-- Answers 'o' ours, 'n' not held or 'h' held by other; and owner and place of a waiter of the client that the name was handed to.
local owner, given, inbox = ARGV[1], ARGV[2], ARGV[3]
local last, left, held_by = holder()
if refusal then return refusal end
if ARGV[4] == 'w' then
  local mine = redis.call('HGET', PLACES, inbox)
  if ARGV[5] then stand(inbox, 5) elseif mine and mine:sub(19, 34) == owner then step_out(inbox) end
end
-- What fails where the names hold something else comes before what cannot be taken back.
local to, place = standing(0)
if refusal then return refusal end

local answer = 'n'
if left and held_by == owner and (given == '' or tonumber(given) == last) then
  answer = 'o'
  free()
  left = nil
elseif left then
  answer = 'h'
end
return { answer, left and '' or hand_over(last, to, place, inbox) }
