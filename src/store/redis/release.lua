-- Frees the concurrency of an admission without a claim.
-- KEYS  1 base of the merchant's slot
-- ARGV  1 epoch  2 admission id
-- Result  1, or 0 with nothing changed when the slot is not open in this epoch.
-- @include "reservation.lua"

if not isOpen(ARGV[1]) then return 0 end
freeConcurrency(ARGV[2])
return 1
