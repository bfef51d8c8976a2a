-- ARGV from the second on: how long it lives, the record, and so on.
epoch()
local time = now()
for i = 2, #ARGV, 2 do
  redis.call('XADD', KEYS[1], '*', 'e', whole(time + ARGV[i]), 'r', ARGV[i + 1])
end
-- More than is added, so what has expired never piles up.
sweep(time, 8 + #ARGV)
return 1
