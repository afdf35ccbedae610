-- Makes a claim unknown, under its admission id only; frees concurrency, keeps the reservation. Idempotent.
-- KEYS  1 base of the merchant's slot
-- ARGV  1 epoch  2 admission id  3 keyHash  4 nowMs  5 nextAskMs  and with an answer: 6 answer  7 answerUntilMs
-- Result  1, or 0 with nothing changed when the slot is not open in this epoch.
-- @include "reservation.lua"

if not isOpen(ARGV[1]) then return 0 end
local admissionId, keyHash, nowMs = ARGV[2], ARGV[3], tonumber(ARGV[4])
freeConcurrency(admissionId)
local claim, answer = nameOf('claim', keyHash), nameOf('answer', keyHash)
local state, owner, joined = unpack(redis.call('HMGET', claim, 'state', 'admissionId', 'admissionIds'))
if state ~= 'inFlight' or not contains(admissionsOf(owner, joined), admissionId) then return 1 end
redis.call('HSET', claim, 'state', 'unknown', 'nextAskMs', ARGV[5])
setDue(keyHash, tonumber(ARGV[5]), 0)
if ARGV[6] then
  redis.call('SET', answer, ARGV[6], 'PX', whole(millisecondsLeft(tonumber(ARGV[7]), nowMs)))
else
  redis.call('DEL', answer)
end
return 1
