-- Sets when a leased claim is asked about next, and gives the lease back. Nothing happens under another fence.
-- KEYS  1 base of the merchant's slot
-- ARGV  1 keyHash  2 fence  3 nextAskMs
-- Result  nil.
-- @include "claim.lua"

local claim = nameOf('claim', ARGV[1])
local state, fence = unpack(redis.call('HMGET', claim, 'state', 'fence'))
if state ~= 'unknown' or (fence or '0') ~= ARGV[2] then return nil end
redis.call('HSET', claim, 'nextAskMs', ARGV[3], 'leaseUntilMs', '0')
setDue(ARGV[1], tonumber(ARGV[3]), 0)
return nil
