-- Gives facts of a journal back to the slot, in order; idempotent per admission id, open or closed.
-- KEYS  1 base of the merchant's slot
-- ARGV  1 nowMs  2 until when a claim is kept that only an outcome tells of, ms  3 until when a tombstone is kept, ms
--       4 facts (JSON array; `resolve` and `reservation` are JSON texts in it, untilMs of an admitted one is how long it is kept)
-- Result  nil.
-- @include "settlement.lua"

local nowMs, bareUntilMs = tonumber(ARGV[1]), tonumber(ARGV[2])

-- Marks a nonce as spent, without a decision that a resent admission could be given.
local function spend(fact)
  if fact.nonceUntilMs <= nowMs then return end
  local left = whole(millisecondsLeft(fact.nonceUntilMs, nowMs))
  redis.call('SET', nameOf('nonce', fact.nonce), cmsgpack.pack({ fact.admissionId }), 'NX', 'PX', left)
end

-- Counts an admission once, whoever told its outcome. A dead one that the store does not know is not counted.
local function replayReservation(fact, fresh, isDead)
  local admission = nameOf('admission', fact.admissionId)
  local state, entries = unpack(redis.call('HMGET', admission, 'state', 'entries'))
  if entries or (not state and isDead) then return end
  if not state then redis.call('HSET', admission, 'keyHash', fact.keyHash, 'state', fresh) end
  state = state or fresh
  redis.call('HSET', admission, 'entries', fact.reservation, 'untilMs', whole(fact.untilMs))
  count(fact.reservation, nil, state, nowMs)
  if state ~= 'open' then collectAfter(admission, fact.untilMs, nowMs) end
end

local function describe(claim, fact, expiresAtMs, keepUntilMs)
  redis.call('HSET', claim, 'fingerprint', fact.fingerprint, 'resolve', fact.resolve, 'deadlineMs', whole(fact.deadlineMs),
    'expiresAtMs', whole(math.max(expiresAtMs, fact.expiresAtMs)), 'keepUntilMs', whole(math.max(keepUntilMs, fact.keepUntilMs)))
end

-- A void that the store forgot left a claim behind: the journalled admission's reservation and fingerprint replace the other's.
local function join(claim, fact, admissionIds, expiresAtMs, keepUntilMs)
  releaseOthers(fact.keyHash, admissionIds, fact.admissionId, nowMs)
  table.insert(admissionIds, fact.admissionId)
  redis.call('HSET', claim, 'admissionId', fact.admissionId, 'admissionIds', cjson.encode(admissionIds))
  describe(claim, fact, expiresAtMs, keepUntilMs)
end

local function replayAdmitted(fact)
  local claim = nameOf('claim', fact.keyHash)
  local state, fingerprint, owner, joined, expiresAtMs, keepUntilMs = unpack(redis.call('HMGET', claim,
    'state', 'fingerprint', 'admissionId', 'admissionIds', 'expiresAtMs', 'keepUntilMs'))
  local isDead = redis.call('EXISTS', nameOf('void', fact.admissionId)) == 1
  replayReservation(fact, state == 'final' and 'released' or 'open', isDead)
  if isDead and state ~= 'final' then return end
  if not state then
    redis.call('HSET', claim, 'state', 'unknown', 'admissionId', fact.admissionId, 'nextAskMs', whole(nowMs))
    describe(claim, fact, 0, 0)
    setDue(fact.keyHash, nowMs, 0)
    return
  end
  local admissionIds = admissionsOf(owner, joined)
  local isOurs = contains(admissionIds, fact.admissionId)
  if state == 'final' then
    -- Its outcome came first, out of another journal; the rest is told now.
    if fingerprint == '' and isOurs then
      describe(claim, fact, tonumber(expiresAtMs), tonumber(keepUntilMs))
      collectAfter(claim, fact.keepUntilMs, nowMs)
    end
    return
  end
  if not isOurs then join(claim, fact, admissionIds, tonumber(expiresAtMs), tonumber(keepUntilMs)) end
  if state == 'inFlight' then
    redis.call('HSET', claim, 'state', 'unknown', 'nextAskMs', whole(nowMs))
    setDue(fact.keyHash, nowMs, 0)
  end
end

for _, fact in ipairs(cjson.decode(ARGV[4])) do
  if fact.type == 'voided' then
    voidAdmission(fact.admissionId, fact.keyHash, nowMs, tonumber(ARGV[3]))
  elseif fact.type == 'outcome' then
    settle({ keyHash = fact.keyHash, admissionId = fact.admissionId, outcome = fact.outcome, nowMs = nowMs, bareUntilMs = bareUntilMs })
  else
    spend(fact)
    if fact.type == 'admitted' then replayAdmitted(fact) end
  end
end
return nil
