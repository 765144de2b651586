-- A waiter of the client is gone: what it was handed, or granted as it waited, is given back.
-- ARGV: the client's inbox, owner, place, 'w' or 'h' for what was handed and nothing else; then owner, place, TTL and how long the
-- place counts of whoever stands first in the client, if anybody does; all times in milliseconds
-- Answers owner and place of a waiter of the client that the name was handed to, and how long it is held otherwise.
local inbox, who, what = ARGV[1], ARGV[2] .. ARGV[3], ARGV[4]
local mine = redis.call('HGET', PLACES, inbox)
if ARGV[5] then stand(inbox, 5) elseif mine and mine:sub(19) == who then step_out(inbox) end
local to, place = standing(0)
if refusal then return refusal end
if held_as == who and (handed or what == 'w') then
  free(to)
  left = nil
end
return { left and '' or hand_over(to, place, inbox), left or 0 }
