-- A waiter of the client is gone: what it was handed, or granted under its place, is given back.
-- ARGV: the client's inbox, owner, place ('' for what was handed and nothing else); then owner, place, TTL and how long the place
-- counts of whoever stands first in the client, if anybody does
-- Answers the owner of a waiter of the client that the name was handed to, and the milliseconds for which it is held.
local inbox, owner, by = ARGV[1], ARGV[2], ARGV[3]
local last, left, held_by, place, handed = holder()
if refusal then return refusal end
local mine = redis.call('HGET', PLACES, inbox)
if ARGV[4] then stand(inbox, 4) elseif mine and mine:sub(19) == owner .. by then step_out(inbox) end
local to, next_place = first()
if refusal then return refusal end
if left and held_by == owner and (handed or place == by) then
  free()
  left = nil
end
return { left and '' or hand_over(last, to, next_place, inbox), left or 0 }
