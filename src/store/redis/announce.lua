-- Appends announcements, each under the next version.
-- KEYS  1 hash of the announcements: version, vVERSION = JSON of one, lTOPIC SUBJECT = time of its latest, ms
-- ARGV  1 whether only what is later than the latest of its subject is appended (1 or 0)
--       then for each: topic and subject  time, ms  JSON
-- Result  the version after it.
-- Whoever listens on the channel of that name is told the version; that nobody may, or does, changes nothing.

for i = 2, #ARGV, 3 do
  local latest = redis.call('HGET', KEYS[1], 'l' .. ARGV[i])
  if ARGV[1] == '0' or not latest or tonumber(latest) < tonumber(ARGV[i + 1]) then
    local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
    redis.call('HSET', KEYS[1], 'v' .. version, ARGV[i + 2])
    if not latest or tonumber(latest) < tonumber(ARGV[i + 1]) then redis.call('HSET', KEYS[1], 'l' .. ARGV[i], ARGV[i + 1]) end
  end
end
local version = redis.call('HGET', KEYS[1], 'version') or '0'
redis.pcall('PUBLISH', KEYS[1], version)
return tonumber(version)
