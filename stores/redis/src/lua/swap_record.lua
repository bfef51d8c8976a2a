-- ARGV[8]: the revision that is expected.
local stored = redis.call('GET', KEYS[1])
if not stored then
  return 0
end
local revision, call = string.match(stored, '^(%d+) (%x+) ')
if not revision then
  return redis.error_reply('ERR the stored record is damaged')
end
if call == ARGV[1] then
  return 1
end
if revision ~= ARGV[8] then
  return 0
end
write()
return 1
