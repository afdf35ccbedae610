-- Claims: reading them and the reply that shows one.
-- @include "shared.lua"

-- What readClaim in replies.ts reads: nine fields, the entries of the reservation that counts, the answer. Nil when there is no claim.
local function viewOf(keyHash)
  local claim = redis.call('HMGET', nameOf('claim', keyHash), 'fingerprint', 'state', 'outcome', 'admissionId', 'admissionIds',
    'expiresAtMs', 'deadlineMs', 'resolve', 'fence')
  if not claim[2] then return nil end
  claim[10] = redis.call('HGET', nameOf('admission', claim[4]), 'entries')
  claim[11] = redis.call('GET', nameOf('answer', keyHash))
  return claim
end

-- An owner that let its deadline pass may have died: its claim becomes unknown, never free. Returns the state.
local function stateAfterLease(keyHash, state, deadlineMs, nowMs)
  if state ~= 'inFlight' or nowMs < tonumber(deadlineMs) then return state end
  redis.call('HSET', nameOf('claim', keyHash), 'state', 'unknown', 'nextAskMs', deadlineMs)
  return 'unknown'
end

-- The admissions joined under a claim, from its fields admissionId and admissionIds.
local function admissionsOf(admissionId, admissionIds)
  return admissionIds and cjson.decode(admissionIds) or { admissionId }
end

local function contains(list, wanted)
  for _, element in ipairs(list) do
    if element == wanted then return true end
  end
  return false
end

-- When an unknown claim is due: at its next question, but not while it is leased.
local function setDue(keyHash, nextAskMs, leaseUntilMs)
  redis.call('ZADD', due, whole(math.max(nextAskMs, leaseUntilMs)), keyHash)
end
