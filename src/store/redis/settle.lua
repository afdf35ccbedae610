-- Settles a key with a final outcome: open -> final once.
-- KEYS  1 base of the merchant's slot
-- ARGV  1 epoch  2 admission id  3 keyHash  4 nowMs  5 outcome  6 fence (empty: none given)
--       7 until when a claim is kept that only this outcome tells of, ms  and with an answer: 8 answer  9 answerUntilMs
-- Result  a SettleResult of ports/store.ts.
-- @include "settlement.lua"

if not isOpen(ARGV[1]) then return 'rebuilding' end
if ARGV[6] ~= '' then
  local state, fence = unpack(redis.call('HMGET', nameOf('claim', ARGV[3]), 'state', 'fence'))
  if not state or (fence or '0') ~= ARGV[6] then return 'fenced' end
end
return settle({
  admissionId = ARGV[2],
  keyHash = ARGV[3],
  nowMs = tonumber(ARGV[4]),
  outcome = ARGV[5],
  bareUntilMs = tonumber(ARGV[7]),
  answer = ARGV[8],
  answerUntilMs = tonumber(ARGV[9]),
})
