-- Notes that an instance has replayed its journal. In another epoch nothing happens.
-- KEYS  1 record of the store's epoch
-- ARGV  1 epoch  2 instance  3 until when its unclean end keeps the slots closed, ms: the latest of all counts
-- Result  nil.

local epoch, closedUntilMs = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'closedUntilMs'))
if epoch ~= ARGV[1] then return nil end
redis.call('HSET', KEYS[1], 'reported:' .. ARGV[2], '1')
if tonumber(ARGV[3]) > tonumber(closedUntilMs) then redis.call('HSET', KEYS[1], 'closedUntilMs', ARGV[3]) end
return nil
