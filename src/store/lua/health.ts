/** Lua: account health, one record whose end is the recovery of the account. */
import type { AccountFailure } from '../../domain/account-failure.ts'
import { onlyAccountRules } from '../../domain/cooldowns.ts'
import { healthCodec } from '../records/health.ts'
import { oneOf } from '../script-declaration.ts'

/** The failure of an attempt as a script takes it; an empty reason means none. */
export const failureFields = {
  reason: 'text',
  scope: 'text',
  untilMs: 'number',
  cooldownMs: 'number',
  maxCooldownMs: 'number',
} as const

/** The failure as the script takes it, also where there was none. */
export const failureArgs = (failure: AccountFailure | undefined): AccountFailure | NoFailure =>
  failure ?? noFailure

const noFailure = { reason: '', scope: 'none', untilMs: 0, cooldownMs: 0, maxCooldownMs: 0 }
type NoFailure = typeof noFailure

/** The whole account, and each family of its models, as rows for `endHealth`. */
export const healthRows = (families: readonly string[]) =>
  ['', ...families].map((family) => ({ family }))

/** A record that a script made or removed: an account, or a family of its models, changes its state. */
export const healthChangeFields = {
  change: oneOf(['cooling', 'recovered']),
  accountId: 'text',
  /** Empty: the whole account. */
  family: 'text',
  /** Of a recovery maybe one that a newer gateway has written. */
  reason: 'text',
  untilMs: 'number',
} as const

const rules = onlyAccountRules.map(
  ({ reason, firstMs, only }) =>
    `${reason} = { firstMs = ${firstMs}, cooldownMs = ${only.cooldownMs}, maxCooldownMs = ${only.maxCooldownMs} }`,
)

/**
 * A failure or a success counts only when its attempt began after the record was made: fifty requests
 * that fail together are one failure, and an old success clears nothing. Nor does a failure count whose
 * attempt began before the last record ended. Needs `time`.
 *
 * - `onlyEndMs(record)` is when the cooldown ends of an account that no other can stand in for. One whose
 *   end the vendor has named stays as it is. Other ends are told by their length: doubled from the first
 *   one of the reason, or the longest one, in whole minutes; a named end of that length is written 1 ms less
 * - `recordFailure(keys, account, family, startedMs, failure)` answers when the cooldown ends
 * - `shortenCooldown(…, failure, only)` gives it the length of an only account's and answers its end
 * - `recordSuccess(keys, account, family, startedMs)` ends the cooldown
 * - `endHealth(keys, account, rows)` ends every cooldown of an account, whatever it is for: an older attempt
 *   begins none again for the families in `rows`, nor for the whole account where one of these is empty
 * - `endProbe(keys, account, family, claimedUntilMs)` gives the claim of a probe back that ended
 *   without a result for its account
 * - `healthChanges` collects which records began and ended
 */
export const health = `${healthCodec}
local healthChanges = {}
local function noteHealth(change, account, family, record)
  healthChanges[#healthChanges + 1] = { change = change, accountId = account, family = family,
    reason = record.reason, untilMs = record.untilMs }
end
local function familyOf(failure, family)
  return failure.scope == 'family' and family or nil
end
local onlyRules = { ${rules.join(',\n  ')} }
local function doubled(firstMs, failures) return firstMs * 2 ^ math.min(failures - 1, 30) end
local function isGrown(record, firstMs)
  local grown = doubled(firstMs, record.failures)
  local lengthMs = record.untilMs - record.sinceMs
  return lengthMs == grown or (lengthMs < grown and lengthMs % 60000 == 0)
end
local function onlyEndMs(record)
  local rule = record and onlyRules[record.reason]
  if not rule or record.isProbing or not isGrown(record, rule.firstMs) then return record and record.untilMs or 0 end
  return record.sinceMs + math.min(doubled(rule.cooldownMs, record.failures), rule.maxCooldownMs)
end
local function recordFailure(keys, account, family, startedMs, failure)
  if failure.scope == 'none' then return nowMs end
  local scope = familyOf(failure, family)
  local field = healthField(account, scope)
  local text = redis.call('HGET', keys.health, field)
  local record = readHealth(text)
  if record and startedMs <= record.sinceMs then return record.untilMs end
  if not record and startedMs <= healthEndMs(text) then return nowMs end
  local failures = record and record.failures + 1 or 1
  local written = { untilMs = failure.untilMs, failures = failures, sinceMs = nowMs, reason = failure.reason }
  if written.untilMs <= nowMs then
    written.untilMs = nowMs + math.min(doubled(failure.cooldownMs, failures), failure.maxCooldownMs)
  elseif onlyRules[failure.reason] and isGrown(written, onlyRules[failure.reason].firstMs) then
    written.untilMs = written.untilMs - 1
  end
  redis.call('HSET', keys.health, field, packHealth(written))
  if not record then noteHealth('cooling', account, scope, written) end
  return written.untilMs
end
local function shortenCooldown(keys, account, family, failure, only)
  if failure.scope == 'none' then return nowMs end
  local field = healthField(account, familyOf(failure, family))
  local record = readHealth(redis.call('HGET', keys.health, field))
  if not record then return nowMs end
  local untilMs = nowMs + math.min(doubled(only.cooldownMs, record.failures), only.maxCooldownMs)
  -- The claim of a probe is no cooldown: it keeps the others from asking as well.
  if record.isProbing or record.reason ~= failure.reason or record.untilMs <= untilMs then return record.untilMs end
  record.untilMs = untilMs
  redis.call('HSET', keys.health, field, packHealth(record))
  return untilMs
end
local function endProbe(keys, account, family, claimedUntilMs)
  for _, field in ipairs({ account, healthField(account, family) }) do
    local record = readHealth(redis.call('HGET', keys.health, field))
    if record and record.isProbing and int(record.untilMs) == claimedUntilMs then
      record.untilMs, record.isProbing = nowMs, false
      redis.call('HSET', keys.health, field, packHealth(record))
    end
  end
end
local function recordSuccess(keys, account, family, startedMs)
  local scopes = { false, family }
  local fields = { account, healthField(account, family) }
  local records = redis.call('HMGET', keys.health, fields[1], fields[2])
  for i = 1, 2 do
    local record = readHealth(records[i])
    if record and startedMs > record.sinceMs then
      redis.call('HSET', keys.health, fields[i], endedHealth(nowMs))
      noteHealth('recovered', account, scopes[i] or nil, record)
    end
  end
end
local function endHealth(keys, account, rows)
  if #rows == 0 then return end
  local families, isNamed = {}, {}
  local function name(family)
    if not isNamed[family] then families[#families + 1] = family end
    isNamed[family] = true
  end
  for _, row in ipairs(rows) do name(row.family) end
  local prefix = account .. '/'
  for _, field in ipairs(redis.call('HKEYS', keys.health)) do
    if field:sub(1, #prefix) == prefix then name(field:sub(#prefix + 1)) end
  end
  for _, family in ipairs(families) do
    local scope = family ~= '' and family or nil
    local field = healthField(account, scope)
    local record = readHealth(redis.call('HGET', keys.health, field))
    if record then noteHealth('recovered', account, scope, record) end
    redis.call('HSET', keys.health, field, endedHealth(nowMs))
  end
end
`
