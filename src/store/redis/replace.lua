-- Puts a text in place of another.
-- KEYS  1 the string
-- ARGV  1 what must stand there (empty: nothing)  2 the new text  3 how long it is kept, ms
-- Result  1; 0 when something else stands there, and nothing changes.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', math.max(1, tonumber(ARGV[3])))
return 1
