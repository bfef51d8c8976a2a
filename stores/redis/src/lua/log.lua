-- KEYS: the log, a stream whose entries have e (until when, by the server's clock) and r (the record); what is known of it.
-- ARGV[1]: the name of a new incarnation, if one begins here.
local function epoch()
  local known = redis.call('HGET', KEYS[2], 'epoch')
  local is_there = redis.call('EXISTS', KEYS[1]) == 1
  if known and is_there then
    return known
  end
  -- The log is there from the beginning on, and stays when it is empty: if it is missing, it was lost.
  if not is_there then
    redis.call('XDEL', KEYS[1], redis.call('XADD', KEYS[1], '*', 'e', '0', 'r', ''))
    redis.call('DEL', KEYS[2])
  end
  redis.call('HSET', KEYS[2], 'epoch', ARGV[1])
  return ARGV[1]
end

-- Looks at some entries, beginning where it stopped the last time, and removes those that ended before `limit`.
local function sweep(limit, count)
  local from = redis.call('HGET', KEYS[2], 'swept') or '-'
  local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', count)
  for _, entry in ipairs(entries) do
    if tonumber(entry[2][2]) <= limit then
      redis.call('XDEL', KEYS[1], entry[1])
    end
  end
  local is_end = #entries < count
  redis.call('HSET', KEYS[2], 'swept', is_end and '-' or '(' .. entries[#entries][1])
  return is_end and 1 or 0
end

