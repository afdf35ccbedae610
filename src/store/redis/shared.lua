-- Shared by the scripts of one merchant's slot.
--
-- KEYS[1] is the slot's base name, PREFIX{MERCHANT}. Every other name is made from it here and keeps its hash tag, so
-- that one script never leaves one slot:
--   :epoch             string the epoch in which the slot is open; absent while it is closed
--   :nonce:NONCE       string packed {admission id, decision}; no decision when it came out of a journal
--   :void:ADMISSION    string tombstone of a voided admission
--   :rate:COUNTER      string theoretical arrival time of the GCRA, microseconds
--   :running:COUNTER   zset   admission id by the time its entry ends by itself
--   :total:COUNTER     hash   committed, reserved
--   :claim:KEYHASH     hash   fingerprint, state, outcome, admissionId, admissionIds (JSON, only when joined), expiresAtMs,
--                             deadlineMs, keepUntilMs, resolve (JSON), fence, leaseUntilMs, nextAskMs
--   :answer:KEYHASH    string the sealed answer
--   :admission:ID      hash   keyHash, state (open, released, committed), entries (JSON), untilMs, running (JSON)
--   :due               zset   key hash of each open claim by the time it is due
--
-- Counters that begin with ~ are counted over all merchants, under PREFIX{~}: rate, running and total. They take a single server.
--
-- Time is an argument, never the server's clock. Expiry of keys only collects what no decision needs any more: it is
-- relative, and the grace covers clocks that differ.
-- A number to be added or stored stays the string it came as or goes through `whole`: `..` makes 1e+15 of 999999999999999.

local base = KEYS[1]
local GRACE_MS = 60000

local function whole(number)
  return string.format('%.0f', number)
end

local function nameOf(kind, id)
  return base .. ':' .. kind .. ':' .. id
end

-- A counter's name: in the merchant's slot, or in that of all.
local everyone = string.gsub(base, '{[^{}]*}$', '{~}')
local function counterName(kind, counter)
  return (string.byte(counter) == 126 and everyone or base) .. ':' .. kind .. ':' .. counter
end

local due = base .. ':due'

local function isOpen(epoch)
  return redis.call('GET', base .. ':epoch') == epoch
end

local function millisecondsLeft(untilMs, nowMs)
  return math.max(untilMs - nowMs, 0) + GRACE_MS
end

-- Lets the server collect a key once `untilMs` and the grace have passed. Never shortens what is set.
local function collectAfter(key, untilMs, nowMs)
  local left = millisecondsLeft(untilMs, nowMs)
  if redis.call('PTTL', key) < left then redis.call('PEXPIRE', key, whole(left)) end
end
