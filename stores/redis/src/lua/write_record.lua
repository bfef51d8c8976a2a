-- KEYS: the record, what answers a retry, the index of the subject.
-- ARGV: the call, the revision, the record, its life, the retry ('': none), its life, the id.
local function write()
  local life = tonumber(ARGV[4])
  redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[1] .. ' ' .. ARGV[3], 'PX', ARGV[4])
  if ARGV[5] == '' then
    redis.call('DEL', KEYS[2])
  else
    redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6])
  end
  local time = now()
  redis.call('ZADD', KEYS[3], whole(time + life), ARGV[7])
  -- The index lives as long as the last of its records.
  if redis.call('PTTL', KEYS[3]) < life then
    redis.call('PEXPIRE', KEYS[3], ARGV[4])
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', whole(time - 1))
end

