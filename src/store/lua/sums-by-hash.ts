/** Lua: adds to many packed sums in a few hashes. */

/**
 * Needs `sumsCodec`. `addTo(key, field, numbers, count)` notes sums for a field of a hash, and
 * `saveSums()` adds what was noted: one read and one write per hash.
 */
export const sumsByHash = `
local hashes, byHash = {}, {}
local function addTo(key, field, numbers, count)
  local hash = byHash[key]
  if not hash then
    hash = { fields = {}, sums = {} }
    byHash[key], hashes[#hashes + 1] = hash, key
  end
  local sums = hash.sums[field]
  if not sums then
    sums = { count = 0 }
    hash.sums[field], hash.fields[#hash.fields + 1] = sums, field
  end
  for i, number in pairs(numbers) do sums[i] = (sums[i] or 0) + number end
  sums.count = math.max(sums.count, count)
end
local function saveSums()
  for _, key in ipairs(hashes) do
    local hash = byHash[key]
    local stored, words = redis.call('HMGET', key, unpack(hash.fields)), {}
    for i, field in ipairs(hash.fields) do
      local sums = hash.sums[field]
      words[2 * i - 1], words[2 * i] = field, addSums(stored[i], sums, sums.count)
    end
    redis.call('HSET', key, unpack(words))
  end
end
`
