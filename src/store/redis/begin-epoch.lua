-- Writes a new epoch by compare-and-set on the previous one.
-- KEYS  1 record of the store's epoch: hash epoch, runId, state (open, rebuilding), closedUntilMs, reported:INSTANCE
-- ARGV  1 previous epoch (empty: none)  2 new epoch  3 run id of the server it is written for; of a Cluster RUNID:SLOTS of each master, with spaces between
-- Result  1, or 0 when another process was first.

if (redis.call('HGET', KEYS[1], 'epoch') or '') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'runId', ARGV[3], 'state', 'rebuilding', 'closedUntilMs', '0')
return 1
