/** Lua: the body of `settle`, which ends a request and charges it. */

/** See `scripts/settle.ts` for its keys, arguments and answers. */
export const settleLua = `
if not isPresentHour(args) then return reply.otherHour({ nowMs = nowMs }) end

-- Answers whether the reservation was still held.
local function endLease(member)
  local isLive = release(keys, member)
  if not isLive and redis.call('ZREM', keys.orphans, member) == 1 then dropReservation(keys, member) end
  local wasHeld = redis.call('ZREM', keys.keyLeases, member) == 1
  local lease = wasHeld and readLease(member)
  if lease then freeReservation(keys, lease) end
  return wasHeld
end

local request = redis.call('HMGET', keys.request, 'state', 'member', 'startedMs', 'amounts', 'cost', 'account',
  'model', 'family', 'quotaDay', 'claimedUntilMs', 'budgetPeriods', 'ledgerModel', 'row')
local was = { state = request[1], member = request[2], startedMs = tonumber(request[3] or '0'), amounts = request[4],
  cost = tonumber(request[5] or '0'), account = request[6], model = request[12] or request[7], family = request[8],
  quotaDay = request[9], claimedUntilMs = request[10] or '', periods = request[11] or '', row = request[13] }

local function finish(state, ...)
  redis.call('HSET', keys.request, 'state', state, 'account', args.accountId, 'model', args.model,
    'ledgerModel', args.ledgerModel, 'trace', args.trace, ...)
  redis.call('PEXPIRE', keys.request, int(args.keepMs))
  if args.hasName then redis.call('SET', keys.requestName, args.ledgerId, 'PX', int(args.keepMs)) end
  saveLoads(keys)
  saveCounters(keys)
end

if args.kind == 'orphan' then
  local wasHeld = endLease(args.member)
  if was.state and (was.state ~= 'admitted' or was.member ~= args.member) or not was.state and not wasHeld then
    -- No marker: the request was not touched for longer than its marker is kept. The one who ends the reservation charges it.
    saveLoads(keys)
    saveCounters(keys)
    return reply.duplicate({})
  end
elseif was.state == 'settled' or was.state == 'void' then
  return reply.duplicate({})
elseif was.state == 'admitted' then
  endLease(was.member)
elseif was.state == 'orphaned' then
  -- As in accounting: what was booked stays, and is taken back by an entry of now.
  book(rowOfOrphan(args, was), was.amounts or '', -1)
  addKeySums(keys, was.amounts or '', -1, args.periods)
  takeBack(keys, was.cost, was.family, was.periods)
  chargeLoad(keys, was.account, 0 - was.cost, was.quotaDay or args.quotaDay)
end

if was.state == 'admitted' then
  -- Only a request that found a record, and claimed its probe, can end it.
  local isProbe = was.claimedUntilMs ~= ''
  if args.verdict == 'success' and isProbe then recordSuccess(keys, args.accountId, args.family, was.startedMs) end
  if args.verdict == 'failure' then recordFailure(keys, args.accountId, args.family, was.startedMs, args.failure) end
  if isProbe then endProbe(keys, readLease(was.member).accountId, args.family, was.claimedUntilMs) end
end

for _, it in ipairs(args.rows) do
  if it.costNanoUsd > 0 then chargeLoad(keys, it.accountId, it.costNanoUsd, it.quotaDay) end
  book(it.row, it.amounts, 1)
end

if args.kind == 'void' then
  finish('void')
  saveRows(keys, args)
  return reply.voided({ healthChanges = healthChanges })
end
-- What ends the request comes first: were a number refused, a repeat would still charge nothing twice.
local cost = args.costNanoUsd
local row = packUsageRow({ keyId = args.keyId, accountId = args.accountId, client = args.client, group = '', model = args.ledgerModel })
local chargedDay = chargeLoad(keys, args.accountId, cost, args.quotaDay)
local budgetPeriods = charge(keys, cost, args.family, args.periods)
addKeySums(keys, args.amounts, 1, args.periods)
finish(args.kind == 'orphan' and 'orphaned' or 'settled', 'budgetPeriods', budgetPeriods, 'amounts', args.amounts,
  'cost', int(cost), 'hour', args.hour.id, 'row', row, 'family', args.family,
  'quotaDay', chargedDay, 'settledAtMs', int(nowMs))
book(row, args.amounts, 1)
saveRows(keys, args)
for _, affinity in ipairs(keys.affinities) do
  redis.call('SET', affinity.account, args.accountId, 'PX', int(args.affinityMs))
end
return reply.charged({ healthChanges = healthChanges })
`
