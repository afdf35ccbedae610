-- Key hashes of open claims that are due.
-- KEYS  1 base of the merchant's slot
-- ARGV  1 nowMs  2 how many at most
-- Result  key hashes.
-- @include "shared.lua"

return redis.call('ZRANGEBYSCORE', due, '-inf', ARGV[1], 'LIMIT', '0', ARGV[2])
