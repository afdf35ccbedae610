-- Settling, from a live process or from a journal.
-- @include "reservation.lua"

-- news: keyHash, admissionId, outcome, nowMs, bareUntilMs, and of a live process answer and answerUntilMs.

local function writeAnswer(news)
  local answer = nameOf('answer', news.keyHash)
  if news.answer then
    redis.call('SET', answer, news.answer, 'PX', whole(millisecondsLeft(news.answerUntilMs, news.nowMs)))
  else
    redis.call('DEL', answer)
  end
end

-- Writes an outcome: its admission's reservation follows it, every other open one of the key is released.
local function conclude(news, owner, admissionIds, keepUntilMs)
  local to = news.outcome == 'succeeded' and 'committed' or 'released'
  local claim, admission = nameOf('claim', news.keyHash), nameOf('admission', news.admissionId)
  if to == 'committed' then
    owner = news.admissionId
    if not contains(admissionIds, owner) then table.insert(admissionIds, owner) end
  end
  redis.call('HSET', claim, 'state', 'final', 'outcome', news.outcome, 'admissionId', owner, 'admissionIds', cjson.encode(admissionIds))
  redis.call('ZREM', due, news.keyHash)
  writeAnswer(news)
  collectAfter(claim, keepUntilMs, news.nowMs)
  if redis.call('HEXISTS', admission, 'state') == 1 then
    moveReservation(news.admissionId, to, news.nowMs)
  else
    redis.call('HSET', admission, 'keyHash', news.keyHash, 'state', to, 'untilMs', whole(keepUntilMs))
    collectAfter(admission, keepUntilMs, news.nowMs)
  end
  releaseOthers(news.keyHash, admissionIds, news.admissionId, news.nowMs)
end

-- Open becomes final once; only a success that comes after a failure changes a final claim. Returns a SettleResult.
local function settle(news)
  freeConcurrency(news.admissionId)
  local state, outcome, owner, joined, keepUntilMs = unpack(redis.call('HMGET', nameOf('claim', news.keyHash),
    'state', 'outcome', 'admissionId', 'admissionIds', 'keepUntilMs'))
  if not state then
    redis.call('HSET', nameOf('claim', news.keyHash), 'fingerprint', '', 'expiresAtMs', '0', 'deadlineMs', '0', 'keepUntilMs', whole(news.bareUntilMs))
    conclude(news, news.admissionId, { news.admissionId }, news.bareUntilMs)
    return 'settled'
  end
  local admissionIds = admissionsOf(owner, joined)
  if news.outcome == 'failed' and not contains(admissionIds, news.admissionId) then
    releaseOpen(news.admissionId, news.nowMs)
    return 'foreign'
  end
  local isLate = state == 'final' and outcome == 'failed' and news.outcome == 'succeeded'
  if state ~= 'final' or isLate then
    conclude(news, owner, admissionIds, tonumber(keepUntilMs))
    return isLate and 'late' or 'settled'
  end
  releaseOpen(news.admissionId, news.nowMs)
  if outcome ~= news.outcome then return 'contradicted' end
  if news.answer and redis.call('EXISTS', nameOf('answer', news.keyHash)) == 0 then writeAnswer(news) end
  return 'already'
end
