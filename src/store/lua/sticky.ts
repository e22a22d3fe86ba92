/** Lua: session affinity, the primary account of a session and the one that serves it meanwhile. */
import { ttl } from '../keyspace.ts'
import { session } from '../records/session.ts'

/**
 * A session returns to its primary account only while the prompt cache there can be warm; once it is
 * cold, the present account becomes the primary one. An account that only failed the session is neither:
 * a primary account that never served (`servedMs` 0) is not preferred, and `stayWithPrimary` ends the
 * stay at an account that no other could replace. A caller may invent a session with each request, so one is
 * kept for a day until a request follows one that was served. Needs `time`, `candidates`.
 *
 * - `preferredAccounts(session, warmMs)`: the accounts to try first
 * - `follow(keys, session, account, warmMs)` writes that the session goes on there, and
 *   answers the affinity
 * - `requiredAccount(keys, args, session)`: the account that alone can serve the request; nil where none
 *   must: an id is unknown, or nothing is known to have served the session
 * - `forgetServing(session, account, startedMs)`: the request that an account took has failed there
 */
export const sticky = `${session.lua}
local function isWarm(it, warmMs) return nowMs - it.servedMs <= warmMs end
local function preferredAccounts(it, warmMs)
  if not it or it.servedMs == 0 then return {} end
  if it.primary ~= it.current and not isWarm(it, warmMs) then return { it.current } end
  return { it.primary, it.current }
end
local function requiredAccount(keys, args, it)
  local issuer = args.hasAffinity and redis.call('GET', keys.affinity)
  if issuer and issuer:find('^[%w_-]+$') then return issuer end
  return args.hasBoundContent and it and it.servedMs > 0 and it.current or nil
end
local function writeSession(keys, it, isKnown)
  redis.call('SET', keys.sticky, packSession(it), 'PX', isKnown and ${ttl.stickyMs} or ${ttl.newStickyMs})
end
local function follow(keys, it, account, warmMs)
  local how
  local isKnown = it and it.servedMs > 0
  if not it then
    how, it = 'started', { primary = account, servedMs = nowMs, previousMs = 0, current = account, moves = 0 }
  elseif account == it.primary then
    how = it.current == account and 'primary' or 'returned'
    it.servedMs, it.previousMs = nowMs, it.servedMs
  else
    how = it.current == account and 'fallback' or 'moved'
    if not isWarm(it, warmMs) then it.primary, it.servedMs, it.previousMs = account, nowMs, 0 end
  end
  if how == 'returned' or how == 'moved' then it.moves = it.moves + 1 end
  it.current = account
  writeSession(keys, it, isKnown)
  return how
end
local function forgetServing(it, account, startedMs)
  if it and it.primary == account and it.servedMs >= startedMs then it.servedMs = it.previousMs end
end
local function stayWithPrimary(keys, it, account)
  if not it then return end
  if it.current == account then it.current = it.primary end
  writeSession(keys, it, it.servedMs > 0)
end
`
