-- Whether the epoch may be open: all instances have reported, and the nonces of unclean ends are out of their window.
-- KEYS  1 record of the store's epoch
-- ARGV  1 epoch  2 nowMs  3 whether to open it (1 or 0)  4.. instances
-- Result  1 when it may, and was opened if asked to; else 0.

local epoch, closedUntilMs = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'closedUntilMs'))
if epoch ~= ARGV[1] or tonumber(ARGV[2]) < tonumber(closedUntilMs) then return 0 end
for i = 4, #ARGV do
  if redis.call('HEXISTS', KEYS[1], 'reported:' .. ARGV[i]) == 0 then return 0 end
end
if ARGV[3] == '1' then redis.call('HSET', KEYS[1], 'state', 'open') end
return 1
