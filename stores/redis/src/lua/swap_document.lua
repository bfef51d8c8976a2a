-- ARGV: the call, the new document, the expected one (absent: none is there).
local stored = redis.call('HMGET', KEYS[1], 'document', 'call')
if not stored[1] and redis.call('EXISTS', KEYS[1]) == 1 then
  return redis.error_reply('ERR the stored document is damaged')
end
if stored[2] == ARGV[1] then
  return 1
end
if stored[1] ~= (ARGV[3] or false) then
  return 0
end
redis.call('HSET', KEYS[1], 'document', ARGV[2], 'call', ARGV[1])
return 1
