-- Voids an admission of which nothing was sent and nothing ever will be. Idempotent.
-- KEYS  1 base of the merchant's slot
-- ARGV  1 epoch  2 admission id  3 keyHash (empty: no claim)  4 nowMs  5 until when the tombstone is kept, ms
-- Result  1, or 0 with nothing changed when the slot is not open in this epoch.
-- @include "reservation.lua"

if not isOpen(ARGV[1]) then return 0 end
voidAdmission(ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]))
return 1
