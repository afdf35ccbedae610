-- Reservations: what an admission holds in counters and in concurrency.
-- @include "claim.lua"

-- The side of a counter that a state of a reservation is counted on.
local SIDE = { open = 'reserved', committed = 'committed' }

-- Takes entries off the side of `from` and adds them to that of `to`; nil and released have no side.
-- A counter that is gone was collected after its window: there is nothing to take off.
local function count(entries, from, to, nowMs)
  for _, entry in ipairs(cjson.decode(entries)) do
    local total = counterName('total', entry.counter)
    if SIDE[from] and redis.call('EXISTS', total) == 1 then
      redis.call('HINCRBY', total, SIDE[from], whole(0 - entry.add))
    end
    if SIDE[to] then
      redis.call('HINCRBY', total, SIDE[to], whole(entry.add))
      collectAfter(total, entry.windowEndsMs, nowMs)
    end
  end
end

-- Moves a reservation and its entries. Committed stays committed.
local function moveReservation(admissionId, to, nowMs)
  local admission = nameOf('admission', admissionId)
  local state, entries, untilMs = unpack(redis.call('HMGET', admission, 'state', 'entries', 'untilMs'))
  if state == 'committed' or state == to then return end
  if entries then count(entries, state, to, nowMs) end
  redis.call('HSET', admission, 'state', to)
  collectAfter(admission, tonumber(untilMs), nowMs)
end

local function releaseOpen(admissionId, nowMs)
  if redis.call('HGET', nameOf('admission', admissionId), 'state') == 'open' then
    moveReservation(admissionId, 'released', nowMs)
  end
end

-- Releases the open reservations of a key but that of one admission.
local function releaseOthers(keyHash, admissionIds, but, nowMs)
  for _, admissionId in ipairs(admissionIds) do
    if admissionId ~= but and redis.call('HGET', nameOf('admission', admissionId), 'keyHash') == keyHash then
      releaseOpen(admissionId, nowMs)
    end
  end
end

local function freeConcurrency(admissionId)
  local admission = nameOf('admission', admissionId)
  local running = redis.call('HGET', admission, 'running')
  if not running then return end
  for _, counter in ipairs(cjson.decode(running)) do
    redis.call('ZREM', counterName('running', counter), admissionId)
  end
  redis.call('HDEL', admission, 'running')
end

-- Leaves a tombstone, and frees the claim and the reservation unless the claim has become unknown: then somebody may be asking.
local function voidAdmission(admissionId, keyHash, nowMs, tombstoneUntilMs)
  redis.call('SET', nameOf('void', admissionId), '1', 'PX', whole(millisecondsLeft(tombstoneUntilMs, nowMs)))
  freeConcurrency(admissionId)
  if keyHash == '' then return end
  local state, owner, joined = unpack(redis.call('HMGET', nameOf('claim', keyHash), 'state', 'admissionId', 'admissionIds'))
  local isOurs = state and contains(admissionsOf(owner, joined), admissionId)
  if state == 'unknown' and isOurs then return end
  releaseOpen(admissionId, nowMs)
  if state == 'inFlight' and isOurs then
    redis.call('DEL', nameOf('claim', keyHash), nameOf('answer', keyHash))
    redis.call('ZREM', due, keyHash)
  end
end
