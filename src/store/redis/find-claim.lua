-- The claim of a key as it stands.
-- KEYS  1 base of the merchant's slot
-- ARGV  1 keyHash
-- Result  the claim as viewOf shows it; nil when there is none.
-- @include "claim.lua"

return viewOf(ARGV[1])
