-- Raises several marks or none.
-- KEYS: marks
-- ARGV: fencing token, milliseconds that a mark is kept
-- A refusal is followed by the number of the mark, from 1.
for i, name in ipairs(KEYS) do
  local refused = fenced(name, ARGV[1])
  if refused then return { refused[1], refused[2] or '', i } end
end
for _, name in ipairs(KEYS) do raise(name, ARGV[1], ARGV[2]) end
return 0
