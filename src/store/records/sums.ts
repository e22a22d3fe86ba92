/** Packed sums of the usage ledger: integers separated by `:`, in the order of `sumFields`. */
import { type Sums, sumFields } from '../../domain/sums.ts'

/** The sums as packed text; absent ones are zero. */
export const packSums = (sums: Partial<Sums>): string =>
  sumFields.map((field) => sums[field] ?? 0).join(':')

/** Whether a text holds sums and nothing else. */
export const isPackedSums = (text: string): boolean => /^-?\d{1,16}(:-?\d{1,16})*$/.test(text)

/** Reads packed text; absent text, absent fields and damaged ones are zero. */
export function unpackSums(packed: string | null | undefined): Sums {
  const numbers = (packed ?? '')
    .split(':')
    .map((sum) => (/^-?\d{1,16}$/.test(sum) ? Number(sum) : 0))
  const entries = sumFields.map((field, index) => [field, numbers[index] ?? 0] as const)
  return Object.fromEntries(entries) as Sums
}

/**
 * The same in Lua. `changesOf(packed, sign)` answers the sums that are not zero and how many fields there
 * are: most are zero, and each would cost two conversions. The latest answer is kept, so callers do not
 * change it. `addSums(packed, changes, count)` adds them to packed sums, which may be absent or older and
 * shorter; a damaged sum counts as zero.
 */
export const sumsCodec = `
local latest = {}
local function changesOf(packed, sign)
  if latest.packed == packed and latest.sign == sign then return latest.changes, latest.count end
  local changes, count = {}, 0
  for number in packed:gmatch('[^:]+') do
    count = count + 1
    if number ~= '0' then changes[count] = sign * (integer(number) or 0) end
  end
  latest = { packed = packed, sign = sign, changes = changes, count = count }
  return changes, count
end
local function addSums(packed, changes, count)
  local i = 0
  local isWhole = packed and packed:match('^[%d:-]+$')
  local sums = (isWhole and packed or '0'):gsub('[^:]+', function(sum)
    i = i + 1
    return changes[i] and int((integer(sum) or 0) + changes[i])
  end)
  while i < count do
    i = i + 1
    sums = sums .. ':' .. int(changes[i] or 0)
  end
  return sums
end
`
