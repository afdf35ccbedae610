-- Decides one request (contract.md section 5, steps 0 to 5) and writes what the decision takes.
-- KEYS  1 base of the merchant's slot
-- ARGV  1 epoch  2 admission id  3 nowMs  4 nonce  5 nonceUntilMs  6 barred (1 or 0)  7 concurrencyUntilMs
--       8 number of rates  9 of concurrency steps  10 of totals
--       11 keyHash (empty: no claim)  12 fingerprint  13 expiresAtMs  14 deadlineMs  15 keepUntilMs  16 resolve (JSON)
--       17 entries of the reservation (JSON)  18 counters of the concurrency steps (JSON)  19 how long the reservation is kept
--       20.. each rate: counter, incrementUs, toleranceUs, shadow (1 or 0); each concurrency step: counter, max, shadowMax;
--            each total: counter, add, max, windowEndsMs, shadowMax; an empty shadowMax is none;
--            each other fingerprint of the same request
-- Result  {kind} for rebuilding, voided, nonce; else {kind, detail, committed, reserved, nowMs, arrival times of the rates, claim}.
--         detail: index from 0, or deadlineMs; of an admitted one the shadow bounds passed: c and t with their index from 0.
--         Arrival times are those after the step; - before one says that a shadow rate was not taken. The claim only for unknown and final.
-- A script is atomic, but nothing rolls it back: everything is read before anything but nonce and rates is written.
-- @include "claim.lua"

local epoch, admissionId, nowMs, nonce = ARGV[1], ARGV[2], tonumber(ARGV[3]), nameOf('nonce', ARGV[4])
local keyHash = ARGV[11]
local RATES = 20
local CONCURRENCY = RATES + 4 * ARGV[8]
local TOTALS = CONCURRENCY + 3 * ARGV[9]
local AFTER = TOTALS + 5 * ARGV[10]

-- GCRA over every rate: all are taken, or none is; a shadow rate that is short stays as it was. Returns the index of the first that is short and the arrival times.
local function takeRates()
  local nowUs, names, nextUs, short = nowMs * 1000, {}, {}, nil
  for at = RATES, CONCURRENCY - 1, 4 do table.insert(names, counterName('rate', ARGV[at])) end
  if #names == 0 then return nil, {} end
  local arrivalsUs = redis.call('MGET', unpack(names))
  for i = 1, #names do
    local at = RATES + 4 * (i - 1)
    arrivalsUs[i] = arrivalsUs[i] or '0'
    nextUs[i] = math.max(tonumber(arrivalsUs[i]), nowUs) + tonumber(ARGV[at + 1])
    if nextUs[i] - tonumber(ARGV[at + 2]) > nowUs then
      nextUs[i] = nil
      if ARGV[at + 3] == '0' then short = short or i - 1 end
    end
  end
  if short then return short, arrivalsUs end
  for i = 1, #names do
    if nextUs[i] then
      arrivalsUs[i] = whole(nextUs[i])
      redis.call('SET', names[i], arrivalsUs[i], 'PX', whole(millisecondsLeft(math.ceil(nextUs[i] / 1000), nowMs)))
    else
      arrivalsUs[i] = '-' .. arrivalsUs[i]
    end
  end
  return nil, arrivalsUs
end

-- Step 3: what is decided by a claim that the key has already.
local function findKnown()
  if keyHash == '' then return nil end
  local fingerprint, state, deadlineMs = unpack(redis.call('HMGET', nameOf('claim', keyHash), 'fingerprint', 'state', 'deadlineMs'))
  if not state then return nil end
  local isSame = fingerprint == ARGV[12]
  for at = AFTER, #ARGV do isSame = isSame or fingerprint == ARGV[at] end
  if not isSame then return { 'mismatch' } end
  state = stateAfterLease(keyHash, state, deadlineMs, nowMs)
  return { state, state == 'inFlight' and deadlineMs or '' }
end

-- Step 4. A limit is compared by subtracting, so that no sum leaves the exact numbers. Returns the refusal and the shadow bounds passed.
local function findRefusal()
  local passed = {}
  if ARGV[6] == '1' then return { 'barred' } end
  for at = CONCURRENCY, TOTALS - 1, 3 do
    local running, index = redis.call('ZCOUNT', counterName('running', ARGV[at]), '(' .. ARGV[3], '+inf'), whole((at - CONCURRENCY) / 3)
    if running >= tonumber(ARGV[at + 1]) then return { 'concurrency', index } end
    if ARGV[at + 2] ~= '' and running >= tonumber(ARGV[at + 2]) then table.insert(passed, 'c' .. index) end
  end
  for at = TOTALS, AFTER - 1, 5 do
    local committed, reserved = unpack(redis.call('HMGET', counterName('total', ARGV[at]), 'committed', 'reserved'))
    committed, reserved = committed or '0', reserved or '0'
    local index, add = whole((at - TOTALS) / 5), tonumber(ARGV[at + 1])
    local function isAbove(max) return add > tonumber(max) - tonumber(committed) - tonumber(reserved) end
    if isAbove(ARGV[at + 2]) then return { 'total', index, committed, reserved } end
    if ARGV[at + 4] ~= '' and isAbove(ARGV[at + 4]) then table.insert(passed, 't' .. index) end
  end
  return nil, table.concat(passed, ' ')
end

-- Step 5.
local function write(passed)
  local admission = nameOf('admission', admissionId)
  for at = CONCURRENCY, TOTALS - 1, 3 do
    local running = counterName('running', ARGV[at])
    redis.call('ZREMRANGEBYSCORE', running, '-inf', ARGV[3])
    redis.call('ZADD', running, ARGV[7], admissionId)
    collectAfter(running, tonumber(ARGV[7]), nowMs)
  end
  if CONCURRENCY < TOTALS then redis.call('HSET', admission, 'running', ARGV[18]) end
  if keyHash ~= '' then
    redis.call('HSET', nameOf('claim', keyHash), 'fingerprint', ARGV[12], 'state', 'inFlight', 'admissionId', admissionId,
      'expiresAtMs', ARGV[13], 'deadlineMs', ARGV[14], 'keepUntilMs', ARGV[15], 'resolve', ARGV[16])
    redis.call('ZADD', due, ARGV[14], keyHash)
    redis.call('HSET', admission, 'keyHash', keyHash, 'state', 'open', 'entries', ARGV[17], 'untilMs', ARGV[19])
    for at = TOTALS, AFTER - 1, 5 do
      local total = counterName('total', ARGV[at])
      redis.call('HINCRBY', total, 'reserved', ARGV[at + 1])
      collectAfter(total, tonumber(ARGV[at + 3]), nowMs)
    end
  elseif CONCURRENCY < TOTALS then
    collectAfter(admission, tonumber(ARGV[7]), nowMs)
  end
  return { 'admitted', passed }
end

local function decide()
  local short, arrivalsUs = takeRates()
  local decision, passed = short and { 'rate', whole(short) } or findKnown()
  if not decision then decision, passed = findRefusal() end
  decision = decision or write(passed)
  return { decision[1], decision[2] or '', decision[3] or '', decision[4] or '', ARGV[3], arrivalsUs }
end

-- The claim is shown as it stands now and not kept with the nonce.
local function withClaim(decision)
  if decision[1] ~= 'unknown' and decision[1] ~= 'final' then return decision end
  decision[7] = viewOf(keyHash)
  return decision[7] and decision or { 'nonce' }
end

if not isOpen(epoch) then return { 'rebuilding' } end
if redis.call('EXISTS', nameOf('void', admissionId)) == 1 then return { 'voided' } end
local seen = redis.call('GET', nonce)
if seen then
  local spentBy, decision = unpack(cmsgpack.unpack(seen))
  if spentBy ~= admissionId or not decision then return { 'nonce' } end
  return withClaim(decision)
end
local decision = decide()
redis.call('SET', nonce, cmsgpack.pack({ admissionId, decision }), 'PX', whole(millisecondsLeft(tonumber(ARGV[5]), nowMs)))
return withClaim(decision)
