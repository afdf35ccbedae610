-- What counters hold.
-- KEYS  1 base of the merchant's slot
-- ARGV  counters
-- Result  committed and reserved of each counter, one behind the other; nil where nothing was counted.
-- @include "shared.lua"

local sums = {}
for i, counter in ipairs(ARGV) do
  local committed, reserved = unpack(redis.call('HMGET', counterName('total', counter), 'committed', 'reserved'))
  sums[2 * i - 1], sums[2 * i] = committed, reserved
end
return sums
