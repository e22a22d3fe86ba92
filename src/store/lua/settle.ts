/** Lua: the body of `settle`, which ends a request and charges it. */

/** See `scripts/settle.ts` for its keys, arguments and answers. */
export const settleLua = `
local ledgers = { keys.keyLedger, keys.accountLedger, keys.modelLedger, keys.keyModelLedger }
local orphanLedgers = { keys.keyLedger, keys.orphanAccountLedger, keys.orphanModelLedger, keys.orphanKeyModelLedger }

local function prune(ledger)
  for _, field in ipairs(redis.call('HKEYS', ledger)) do
    local period = field:match('^(%a+):')
    if (period == 'hour' and field < args.hourPruneBefore) or (period == 'day' and field < args.dayPruneBefore) then
      redis.call('HDEL', ledger, field)
    end
  end
end
local function addTo(ledgers, hour, day, month, packed, sign)
  local changes, count = changesOf(packed, sign)
  for _, ledger in ipairs(ledgers) do
    local sums = redis.call('HMGET', ledger, 'total', hour, day, month)
    redis.call('HSET', ledger, 'total', addSums(sums[1], changes, count), hour, addSums(sums[2], changes, count),
      day, addSums(sums[3], changes, count), month, addSums(sums[4], changes, count))
    if sign > 0 and not sums[3] then prune(ledger) end
  end
end
local function endLease(member)
  release(keys, member)
  if redis.call('ZREM', keys.orphans, member) == 1 then dropReservation(keys, member) end
  local wasHeld = redis.call('ZREM', keys.keyLeases, member) == 1
  local lease = wasHeld and readLease(member)
  if lease then
    -- Not HINCRBY, which refuses a damaged number.
    local freed, held = lease.reservationNanoUsd, redis.call('HMGET', keys.counters, 'heldNanoUsd', 'heldOpusNanoUsd')
    local freedOpus = lease.family == 'opus' and freed or 0
    redis.call('HSET', keys.counters, 'heldNanoUsd', int((integer(held[1]) or 0) - freed),
      'heldOpusNanoUsd', int((integer(held[2]) or 0) - freedOpus))
  end
  return wasHeld
end
local function finish(state, ...)
  redis.call('HSET', keys.request, 'state', state, 'account', args.accountId, 'model', args.model,
    'ledgerModel', args.ledgerModel, 'trace', args.trace, ...)
  redis.call('PEXPIRE', keys.request, int(args.keepMs))
  if args.hasName then redis.call('SET', keys.requestName, args.ledgerId, 'PX', int(args.keepMs)) end
  saveLoads(keys)
end

local request = redis.call('HMGET', keys.request, 'state', 'member', 'startedMs', 'amounts', 'cost',
  'hour', 'day', 'month', 'account', 'model', 'family', 'quotaDay', 'claimedUntilMs', 'budgetPeriods', 'ledgerModel')
local was = { state = request[1], member = request[2], startedMs = tonumber(request[3] or '0'), amounts = request[4],
  cost = tonumber(request[5] or '0'), hour = request[6], day = request[7], month = request[8], account = request[9],
  model = request[15] or request[10], family = request[11], quotaDay = request[12], claimedUntilMs = request[13] or '', periods = request[14] or '' }

if args.kind == 'orphan' then
  local wasHeld = endLease(args.member)
  saveLoads(keys)
  if was.state and (was.state ~= 'admitted' or was.member ~= args.member) then return reply.duplicate({}) end
  -- No marker: the request was not touched for longer than its marker is kept. The one who ends the reservation charges it.
  if not was.state and not wasHeld then return reply.duplicate({}) end
elseif was.state == 'settled' or was.state == 'void' then
  return reply.duplicate({})
elseif was.state == 'admitted' then
  endLease(was.member)
elseif was.state == 'orphaned' then
  if was.account ~= args.orphanAccountId or was.model ~= args.orphanModel then
    return reply.elsewhere({ accountId = was.account, model = was.model })
  end
  addTo(orphanLedgers, was.hour, was.day, was.month, was.amounts, -1)
  takeBack(keys, was.cost, was.family, was.periods)
  chargeLoad(keys, args.orphanAccountId, 0 - was.cost, was.quotaDay or args.quotaDay)
end

if was.state == 'admitted' then
  if args.verdict == 'success' then recordSuccess(keys, args.accountId, args.family, was.startedMs) end
  if args.verdict == 'failure' then recordFailure(keys, args.accountId, args.family, was.startedMs, args.failure) end
  if was.claimedUntilMs ~= '' then endProbe(keys, readLease(was.member).accountId, args.family, was.claimedUntilMs) end
end

if args.kind == 'void' then
  finish('void')
  return reply.voided({ healthChanges = healthChanges })
end
-- What ends the request comes first: were a number refused, a repeat would still charge nothing twice.
local cost, hour, day, month = args.costNanoUsd, args.hour, args.periods.day, args.month
local chargedDay = chargeLoad(keys, args.accountId, cost, args.quotaDay)
local budgetPeriods = charge(keys, cost, args.family, args.periods)
finish(args.kind == 'orphan' and 'orphaned' or 'settled', 'budgetPeriods', budgetPeriods, 'amounts', args.amounts,
  'cost', int(cost), 'hour', hour, 'day', day, 'month', month, 'week', args.periods.week, 'family', args.family,
  'quotaDay', chargedDay, 'settledAtMs', int(nowMs))
addTo(ledgers, hour, day, month, args.amounts, 1)
for _, affinity in ipairs(keys.affinities) do
  redis.call('SET', affinity.account, args.accountId, 'PX', int(args.affinityMs))
end
return reply.charged({ healthChanges = healthChanges })
`
