-- Nearly always a value takes the place of a value or of nothing, where there are no generations: the rest is then not needed.
-- ARGV: .., value, lifetime
if not KEYS[2] then
  local head = redis.call('GETRANGE', KEYS[1], 0, 2)
  if head == '' or head == '\193\1v' then
    local entry, lifetime = '\193\1v' .. ARGV[3], ARGV[4]
    if lifetime == '' then redis.call('SET', KEYS[1], entry) else redis.call('SET', KEYS[1], entry, 'PX', lifetime) end
    return 1
  end
end
