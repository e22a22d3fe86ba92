/** Lua functions of account health: one record, whose end is recovery. */
import type { AccountFailure } from '../../domain/account-failure.ts'

/**
 * A health record is \`untilMs|failures|sinceMs|reason\` (\`failures\` with a \`p\` while one request
 * tries the account), of a whole account (field \`account\`) or of
 * a family of its models (\`account/family\`). A failure or a success counts only when its attempt
 * began after the record was made: fifty requests that fail together are one failure, and an old
 * success clears nothing. \`recordFailure\` returns when the rest ends, and \`shortenRest\` too.
 */
export const health = `
local function readHealth(packed)
  if not packed then return nil end
  local untilMs, failures, probe, sinceMs, reason = packed:match('^(%d+)|(%d+)(p?)|(%d+)|(.*)$')
  return { untilMs = tonumber(untilMs), failures = tonumber(failures), isProbing = probe == 'p',
    sinceMs = tonumber(sinceMs), reason = reason }
end
local function writeHealth(healthKey, field, record)
  redis.call('HSET', healthKey, field, table.concat(
    { int(record.untilMs), int(record.failures) .. (record.isProbing and 'p' or ''), int(record.sinceMs), record.reason }, '|'))
end
local function recordFailure(healthKey, account, family, startedMs, failure)
  if failure.scope == 'none' then return nowMs end
  local field = failure.scope == 'family' and account .. '/' .. family or account
  local record = readHealth(redis.call('HGET', healthKey, field))
  if record and startedMs <= record.sinceMs then return record.untilMs end
  local failures = record and record.failures + 1 or 1
  local untilMs = failure.untilMs
  if untilMs <= nowMs then
    untilMs = nowMs + math.min(failure.cooldownMs * 2 ^ math.min(failures - 1, 30), failure.maxCooldownMs)
  end
  writeHealth(healthKey, field,
    { untilMs = untilMs, failures = failures, sinceMs = nowMs, reason = failure.reason })
  return untilMs
end
local function shortenRest(healthKey, account, family, failure, longestMs)
  if failure.scope == 'none' then return nowMs end
  local field = failure.scope == 'family' and account .. '/' .. family or account
  local record = readHealth(redis.call('HGET', healthKey, field))
  local untilMs = nowMs + longestMs
  if record.reason ~= failure.reason or record.untilMs <= untilMs then return record.untilMs end
  record.untilMs = untilMs
  writeHealth(healthKey, field, record)
  return untilMs
end
-- A probe that ended without a word of its account gives its claim back: the next request may try.
local function endProbe(healthKey, account, family, claimedUntilMs)
  for _, field in ipairs({ account, account .. '/' .. family }) do
    local record = readHealth(redis.call('HGET', healthKey, field))
    if record and record.isProbing and int(record.untilMs) == claimedUntilMs then
      record.untilMs, record.isProbing = nowMs, false
      writeHealth(healthKey, field, record)
    end
  end
end
local function recordSuccess(healthKey, account, family, startedMs)
  local fields = { account, account .. '/' .. family }
  local records = redis.call('HMGET', healthKey, fields[1], fields[2])
  for i = 1, 2 do
    local record = readHealth(records[i])
    if record and startedMs > record.sinceMs then redis.call('HDEL', healthKey, fields[i]) end
  end
end
`

/** The failure as the scripts read it. */
export const failureArgs = (failure: AccountFailure | undefined): (string | number)[] => [
  failure?.reason ?? '',
  failure?.scope ?? 'account',
  failure?.untilMs ?? 0,
  failure?.cooldownMs ?? 0,
  failure?.maxCooldownMs ?? 0,
]

/** Reads `failureArgs` from ARGV, beginning at `first`. */
export const readFailure = `
local function readFailure(first)
  return { reason = ARGV[first], scope = ARGV[first + 1], untilMs = tonumber(ARGV[first + 2]),
    cooldownMs = tonumber(ARGV[first + 3]), maxCooldownMs = tonumber(ARGV[first + 4]) }
end
`
