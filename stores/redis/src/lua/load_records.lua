-- Not MGET, for which a key of another type is a missing one.
local found = {}
for i, key in ipairs(KEYS) do
  found[i] = redis.call('GET', key)
end
return found
