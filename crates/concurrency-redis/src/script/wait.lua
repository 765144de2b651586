-- The rest of `acquire.lua`, where somebody waits or may have to.

-- The next one in the client stands at the end, in the same step, so that it need not ask before its turn. What fails where the
-- names hold something else comes before the grant.
local function next_stands(has_place)
  if ARGV[7] then stand(inbox, 7, true) elseif has_place then step_out(inbox) end
end

local NO_PLACE = ('\0'):rep(16)
if is_ours then
  next_stands(how == 'w' and waited)
  -- Where two places of the owner were told that they have it, what one of them leaves behind takes it from neither.
  local holder = (handed or held_as == who) and who or owner .. NO_PLACE
  put(last, math.max(left, ttl), holder, 0, waited or ARGV[7])
  return { GRANTED, last, (handed or held_as == who) and 1 or 0 }
end

local before, place, till
if waited then before, place, till = standing(0) end
if refusal then return refusal end
if not left and (not before or (how == 'w' and before == inbox)) then
  local token = next_token()
  if not token then return { EXHAUSTED } end
  next_stands(before)
  put(token, ttl, who, 0, before or ARGV[7])
  return { GRANTED, token, 1 }
end
if how == 't' then return { NONE } end

stand(inbox, 3)
if not waited then redis.call('SETRANGE', RECORD, #bytes - 1, string.char(bytes:byte(-1) + WAITED)) end
local free_at = now + (left or 0)
local ours_at = before and before ~= inbox and math.max(free_at, till) or free_at
return { WAIT, math.min(ours_at - now, ARGV[6] * 500) }
