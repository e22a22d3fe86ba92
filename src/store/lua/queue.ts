/** Lua: the queue of a key, in which requests over its concurrency limit wait for their turn. */

/** The place of a request in the queue of its key, as a script takes it. */
export const queueFields = {
  /** What the store gave the request when it began to wait; empty before that. */
  ticket: 'text',
  /** How long the ticket stays in the queue without being shown again; 0 = the request does not wait. */
  ticketMs: 'number',
} as const

/** The answer to a request that waits. */
export const waitFields = {
  ticket: 'text',
  limit: 'number',
  used: 'number',
} as const

/** Tickets in the queue of one key at most; it also bounds what one admission reads. */
export const maxWaitingPerKey = 100

/**
 * `awaitTurn(keys, args, limit)` is nil when the request may run now, else the answer that it waits or is
 * denied. It may run when the live tickets before it leave a slot free; an arrival stands behind all of
 * them. Its own ticket leaves the queue with that, so a request that finds no account blocks no other.
 *
 * A ticket is the number of its arrival and the ledger id; its score is its expiry. Numbers are
 * microseconds of the store, but each is higher than those in the queue, so a clock that is set back
 * changes no order. A ticket that is shown after its expiry takes its old place again. Needs `time`.
 */
export const queue = `
local function ticketAfter(newest, ledgerId)
  local number = nowMs * 1000 + tonumber(clock[2]) % 1000
  if newest ~= '' then number = math.max(number, tonumber(newest:match('^%d+')) + 1) end
  return string.format('%016.0f|%s', number, ledgerId)
end
local function awaitTurn(keys, args, limit)
  local ticket, ticketMs = args.queue.ticket, args.queue.ticketMs
  if limit == 0 then
    if ticket ~= '' then redis.call('ZREM', keys.waiting, ticket) end
    return nil
  end
  local used = redis.call('ZCOUNT', keys.keyLeases, '(' .. int(nowMs), '+inf')
  local queued = redis.call('ZRANGE', keys.waiting, 0, -1, 'WITHSCORES')
  local ahead, live, newest, isQueued = 0, 0, '', false
  for i = 1, #queued, 2 do
    local other = queued[i]
    if other > newest then newest = other end
    if other == ticket then
      isQueued = true
    elseif tonumber(queued[i + 1]) <= nowMs then
      redis.call('ZREM', keys.waiting, other)
    else
      live = live + 1
      if ticket == '' or other < ticket then ahead = ahead + 1 end
    end
  end
  if used + ahead < limit then
    if isQueued then redis.call('ZREM', keys.waiting, ticket) end
    return nil
  end
  if ticketMs == 0 or live >= ${maxWaitingPerKey} then
    return reply.deny({ cause = 'concurrency', limit = limit, used = used, nowMs = nowMs })
  end
  if ticket == '' then ticket = ticketAfter(newest, args.ledgerId) end
  redis.call('ZADD', keys.waiting, int(nowMs + ticketMs), ticket)
  redis.call('PEXPIRE', keys.waiting, int(ticketMs))
  return reply.wait({ ticket = ticket, limit = limit, used = used })
end
`
