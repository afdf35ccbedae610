-- What stands in rates and in concurrency.
-- KEYS  1 base of the merchant's slot
-- ARGV  1 nowMs  2 number of rates  3.. counters of the rates, then of the concurrency steps
-- Result  theoretical arrival time of each rate, 0 where nothing was taken; then how many run under each concurrency counter.
-- @include "shared.lua"

local levels, rates = {}, tonumber(ARGV[2])
for i = 1, #ARGV - 2 do
  local counter = ARGV[i + 2]
  if i <= rates then
    levels[i] = redis.call('GET', counterName('rate', counter)) or '0'
  else
    levels[i] = redis.call('ZCOUNT', counterName('running', counter), '(' .. ARGV[1], '+inf')
  end
end
return levels
