-- What all scripts of an event store know: event/stored.rs describes the bytes.
-- Every answer is an array that begins with one of these numbers; event/answer.rs reads them.
local DONE, CONFLICT, FENCED, FOREIGN, NEWER, REUSED, LOST = 0, 1, 2, 3, 4, 5, 6
local FORMAT = '\193\1'
-- What stands before the records of a stream, and a record, in bytes.
local HEADER, RECORD = 50, 24

-- One instant for the whole call, in microseconds.
local instant
local function now()
  if not instant then
    local time = redis.call('TIME')
    instant = tonumber(time[1]) * 1000000 + tonumber(time[2])
  end
  return instant
end

-- Numbers from 1e14 on print with an exponent unless told otherwise.
local function text(number) return string.format('%.0f', number) end

-- A refusal where bytes are not ours, or of a newer format.
local function strange(bytes, least)
  local mark, format = bytes:byte(1, 2)
  if mark ~= 193 or not format or format == 0 then return { FOREIGN } end
  if format > 1 then return { NEWER, format } end
  if #bytes < least then return { FOREIGN } end
end

-- The log by its two names; without a tag where there is none, or none any more. Or nil and a refusal.
local function log_of(counters, events)
  local bytes = redis.call('GET', counters) or ''
  local there = redis.call('ZSCORE', events, bytes:sub(1, 10))
  if bytes == '' then return { last = 0, truncated = 0, largest = 0 } end
  local refused = strange(bytes, 34)
  if refused then return nil, refused end
  local last, truncated, largest = struct.unpack('>I8I8I8', bytes, 11)
  if not there then return { last = last, truncated = 0, largest = 0 } end
  local tag = bytes:sub(1, 10)
  return { tag = tag, begins = (struct.unpack('>I8', tag, 3)), last = last, truncated = truncated, largest = largest }
end

-- A stream of this log, nil where it was never appended to. Or nil and a refusal.
local function stream_of(name, log)
  local head = redis.call('GETRANGE', name, 0, HEADER - 1)
  if head == '' then return end
  local refused = strange(head, HEADER)
  if refused then return nil, refused end
  if head:sub(1, 10) ~= log.tag then return end
  local base, kept, first, token, till = struct.unpack('>I8I8I8I8I8', head, 11)
  local last = base + (redis.call('STRLEN', name) - HEADER) / RECORD
  return { base = base, kept = kept, first = first, last = last, token = token, till = till }
end

-- The records of these versions, one after the other.
local function records_of(name, stream, from, to)
  local begin = HEADER + (from - stream.base - 1) * RECORD
  return redis.call('GETRANGE', name, begin, begin + (to - from + 1) * RECORD - 1)
end

-- The position of a version whose record is kept.
local function position_of(name, stream, version)
  return (struct.unpack('>I8', records_of(name, stream, version, version)))
end

-- How many events may be read at once where a page has so many bytes left: however large they are, none but the last reaches that.
local function as_many(log, bytes)
  return math.max(1, math.floor(bytes / math.max(1, log.largest)))
end
