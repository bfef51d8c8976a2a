local document = redis.call('HGET', KEYS[1], 'document')
if not document and redis.call('EXISTS', KEYS[1]) == 1 then
  return redis.error_reply('ERR the stored document is damaged')
end
return document
