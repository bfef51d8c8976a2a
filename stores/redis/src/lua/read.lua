-- ARGV from the second on: the most entries, and, for a position: its epoch, the entry, until when that lives.
local epoch = epoch()

-- An entry that is missing although it has not ended was lost, and others with it.
local function is_known(id, ends)
  if id == '0-0' or #redis.call('XRANGE', KEYS[1], id, id) == 1 then
    return true
  end
  local limit = tonumber(redis.call('HGET', KEYS[2], 'limit') or 0)
  return tonumber(ends) <= math.max(now(), limit)
end

local from, restarted = '-', 0
if ARGV[3] then
  if ARGV[3] == epoch and is_known(ARGV[4], ARGV[5]) then
    from = '(' .. ARGV[4]
  else
    restarted = 1
  end
end
local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[2] + 1)
local more = #entries > tonumber(ARGV[2])
if more then
  table.remove(entries)
end
local records = {}
for i, entry in ipairs(entries) do
  records[i] = entry[2][4]
end
local last = entries[#entries]
if last then
  return {epoch, restarted, more and 1 or 0, records, last[1], last[2][2]}
end
if ARGV[3] and restarted == 0 then
  return {epoch, 0, 0, records, ARGV[4], ARGV[5]}
end
return {epoch, restarted, 0, records, '0-0', '0'}
