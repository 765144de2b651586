-- Takes a name, or stands in line for it.
-- ARGV: 'w' wait, 't' try or 'u' take up only; the client's inbox; owner, place, TTL, how long the place counts; the same four
-- of whoever stands next in the client, if anybody does
-- Answers GRANTED, token, and 1 if it is this place's grant, 0 if the owner held the name before; WAIT and for how many milliseconds at most; or NONE.
local how, inbox, owner, ttl = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[5])
local who = owner .. ARGV[4]

-- In the same step, so that it need not ask before its turn.
local function next_stands()
  if ARGV[7] then stand(inbox, 7, true) elseif how == 'w' then step_out(inbox) end
end

local token, left, held_by, held_as, handed = holder()
if refusal then return refusal end
if held_by == owner then
  if handed then put(token, math.max(left - 1, ttl), TAKEN, who) else extend(left, ttl) end
  next_stands()
  return { GRANTED, token, (handed or held_as == who) and 1 or 0 }
end
if how == 'u' or (how == 't' and left) then return { NONE } end

local before, _, till = standing(0)
if refusal then return refusal end
if not left and (not before or (how == 'w' and before == inbox)) then
  token = grant(token, ttl, TAKEN, who)
  if not token then return refusal end
  if before or ARGV[7] then next_stands() end
  return { GRANTED, token, 1 }
end
if how == 't' then return { NONE } end

stand(inbox, 3)
local free_at = now() + (left or 0)
local ours_at = before and before ~= inbox and math.max(free_at, till) or free_at
return { WAIT, math.min(ours_at - now(), math.ceil(ARGV[6] / 2)) }
