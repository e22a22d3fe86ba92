/** Lua: the rows of the usage ledger, in which a settlement is booked. */
import { sumsCodec } from '../records/sums.ts'
import { unknownClient, usageRow } from '../records/usage-row.ts'

/** The field of an open hour that says that the index of open hours names it; no row has this name. */
export const openMark = '.'

/**
 * - `isPresentHour(args)`: whether the hour that the caller names is the one of the store's clock
 * - `book(row, packed, sign)` notes packed sums for a row, `saveRows(keys, args)` adds all that was noted
 *   to the present hour: one read and one write, and two commands more where it is the first of its hour
 * - `rowOfOrphan(args, was)`: the row in which an orphan was booked
 *
 * Needs `time`.
 */
export const usage = `${sumsCodec}${usageRow.lua}
local booked, bookedRows = {}, {}
local function isPresentHour(args) return args.hour.startsMs <= nowMs and nowMs < args.hour.endsMs end
local function book(row, packed, sign)
  if not booked[row] then
    booked[row] = {}
    bookedRows[#bookedRows + 1] = row
  end
  table.insert(booked[row], { packed = packed, sign = sign })
end
local function saveRows(keys, args)
  if #bookedRows == 0 then return end
  local stored, words = redis.call('HMGET', keys.openHour, '${openMark}', unpack(bookedRows)), {}
  for i, row in ipairs(bookedRows) do
    local sums = stored[i + 1]
    for _, entry in ipairs(booked[row]) do sums = addSums(sums, changesOf(entry.packed, entry.sign)) end
    words[2 * i - 1], words[2 * i] = row, sums
  end
  if not stored[1] then
    words[#words + 1] = '${openMark}'
    words[#words + 1] = args.hour.id
    redis.call('ZADD', keys.openHours, int(args.hour.endsMs), args.hour.id)
    redis.call('HSETNX', keys.pool, 'timeZone', args.hour.timeZone)
  end
  redis.call('HSET', keys.openHour, unpack(words))
end
local function rowOfOrphan(args, was)
  return was.row or packUsageRow({ keyId = args.keyId, accountId = was.account or '', client = '${unknownClient}',
    group = '', model = was.model or '' })
end
`
