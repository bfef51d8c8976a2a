-- ARGV from the second on: how many entries, how much later than now they may end. Answers whether that was the last one.
epoch()
local limit = now() + ARGV[3]
-- What is removed before its time was not lost.
if tonumber(ARGV[3]) > 0 and limit > tonumber(redis.call('HGET', KEYS[2], 'limit') or 0) then
  redis.call('HSET', KEYS[2], 'limit', whole(limit))
end
return sweep(limit, tonumber(ARGV[2]))
