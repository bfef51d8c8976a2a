redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(now() - 1))
return redis.call('ZRANGE', KEYS[1], 0, -1)
