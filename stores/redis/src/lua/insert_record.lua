local stored = redis.call('GET', KEYS[1])
if stored then
  -- The client may send a command again if the connection was cut: the same call is no second one.
  local _, call = string.match(stored, '^(%d+) (%x+) ')
  return call == ARGV[1] and 1 or 0
end
write()
return 1
