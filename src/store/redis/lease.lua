-- Takes the right to resolve a claim: bumps its fence. In flight past its deadline becomes unknown.
-- KEYS  1 base of the merchant's slot
-- ARGV  1 epoch  2 keyHash  3 nowMs  4 untilMs
-- Result  the claim as viewOf shows it; nil when another holds it, or it is final, in flight or absent, or the slot is not open in this epoch.
-- @include "claim.lua"

if not isOpen(ARGV[1]) then return nil end
local keyHash, nowMs, claim = ARGV[2], tonumber(ARGV[3]), nameOf('claim', ARGV[2])
local state, deadlineMs, leaseUntilMs, nextAskMs = unpack(redis.call('HMGET', claim, 'state', 'deadlineMs', 'leaseUntilMs', 'nextAskMs'))
if not state then return nil end
if stateAfterLease(keyHash, state, deadlineMs, nowMs) ~= 'unknown' then return nil end
if tonumber(leaseUntilMs or '0') > nowMs then return nil end
redis.call('HINCRBY', claim, 'fence', '1')
redis.call('HSET', claim, 'leaseUntilMs', ARGV[4])
setDue(keyHash, tonumber(nextAskMs or deadlineMs), tonumber(ARGV[4]))
return viewOf(keyHash)
