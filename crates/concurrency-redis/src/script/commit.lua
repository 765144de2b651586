-- All of several writes or none: checks everything, then writes everything, because a script is not rolled back.
-- KEYS: index, then for each write its value and, where it is fenced, its mark
-- ARGV: prefix, milliseconds that a mark is kept, then for each write six: 's' save, 'd' delete or 'c' check; key; condition;
--       fencing token ('' for none); lifetime; value
-- A refusal is followed by the number of the write, from 1, and by what it says of an earlier copy of the same request: 2 where
-- a value has our version, 1 where a value that was to be written under its version no longer has that one, else 0.
local prefix, kept = ARGV[1], ARGV[2]
local writes, deadlines = (#ARGV - 2) / 6, {}
local names, marks, versions = {}, {}, {}
local refusal, refused_at

local name = 2
for i = 1, writes do
  local at = 2 + (i - 1) * 6
  names[i] = KEYS[name]
  name = name + 1
  if ARGV[at + 4] ~= '' then
    marks[i] = KEYS[name]
    name = name + 1
  end
end

local function admit(i)
  local at = 2 + (i - 1) * 6
  if marks[i] then
    local refused = fenced(marks[i], ARGV[at + 4])
    if refused then return refused end
  end
  local version, deadline, refused = live(names[i])
  if refused then return refused end
  versions[i], deadlines[i] = version, deadline
  if not holds(ARGV[at + 3], version) then return { CONFLICT, version or '' } end
end

-- What an earlier copy of this request may have done.
local function traces()
  local moved = 0
  for i = 1, writes do
    local at = 2 + (i - 1) * 6
    local version = live(names[i])
    if ARGV[at + 1] == 's' and version == prefix:sub(3) then return 2 end
    if ARGV[at + 1] ~= 'c' and #ARGV[at + 3] == 16 and version ~= ARGV[at + 3] then moved = 1 end
  end
  return moved
end

for i = 1, writes do
  refusal = admit(i)
  if refusal then return { refusal[1], refusal[2] or '', i, traces() } end
end

-- First what fails where the name of the index holds something else.
for i = 1, writes do
  local at = 2 + (i - 1) * 6
  if ARGV[at + 1] == 's' then redis.call('ZADD', KEYS[1], 0, ARGV[at + 2]) end
  if ARGV[at + 1] == 'd' then redis.call('ZREM', KEYS[1], ARGV[at + 2]) end
end
for i = 1, writes do
  local at = 2 + (i - 1) * 6
  if marks[i] then raise(marks[i], ARGV[at + 4], kept) end
  if ARGV[at + 1] == 's' then put(names[i], prefix, ARGV[at + 6], ARGV[at + 5], deadlines[i]) end
  if ARGV[at + 1] == 'd' then redis.call('UNLINK', names[i]) end
end
return 0
