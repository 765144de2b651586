-- The rest of `release.lua`, where somebody may wait.
local inbox = ARGV[3]
if ARGV[4] == 'w' then
  local mine = redis.call('HGET', PLACES, inbox)
  if ARGV[5] then stand(inbox, 5) elseif mine and mine:sub(19, 34) == ARGV[1] then step_out(inbox) end
end
-- What fails where the names hold something else comes before what cannot be taken back.
local to, place = standing(0)
if refusal then return refusal end
if answer == 'o' then free(to) end
return { answer, answer == 'h' and '' or hand_over(to, place, inbox) }
