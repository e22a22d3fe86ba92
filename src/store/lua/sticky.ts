/** Lua functions of session affinity: where a session is at home, and where it is meanwhile. */

/**
 * A sticky record is \`home|servedMs|beforeMs|current|moves\`: the account whose prompt cache holds the
 * conversation, when it last took a request of it (and when before that, should this one fail there),
 * and the account that serves it now. A session returns to its home only while that cache is warm;
 * once it is cold, the present account is the home. An account that only failed it is neither: a home
 * that never served (0) is no wish, and \`stayHome\` ends the stay at one that nobody followed.
 */
export const sticky = `
local function readSticky(packed)
  if not packed then return nil end
  local home, servedMs, beforeMs, current, moves = packed:match('^([^|]*)|(%d+)|(%d+)|([^|]*)|(%d+)$')
  return home and { home = home, servedMs = tonumber(servedMs), beforeMs = tonumber(beforeMs), current = current, moves = tonumber(moves) }
end
local function isWarm(session, warmMs) return nowMs - session.servedMs <= warmMs end
local function stickyWishes(session, warmMs)
  if not session or session.servedMs == 0 then return {} end
  if session.home ~= session.current and not isWarm(session, warmMs) then return { session.current } end
  return { session.home, session.current }
end
local function writeSticky(stickyKey, session, stickyMs)
  redis.call('SET', stickyKey, table.concat({ session.home, int(session.servedMs), int(session.beforeMs),
    session.current, int(session.moves) }, '|'), 'PX', stickyMs)
end
local function follow(stickyKey, session, account, warmMs, stickyMs)
  local how
  if not session then
    how, session = 'started', { home = account, servedMs = nowMs, beforeMs = 0, current = account, moves = 0 }
  elseif account == session.home then
    how = session.current == account and 'primary' or 'returned'
    session.servedMs, session.beforeMs = nowMs, session.servedMs
  else
    how = session.current == account and 'fallback' or 'moved'
    if not isWarm(session, warmMs) then session.home, session.servedMs, session.beforeMs = account, nowMs, 0 end
  end
  if how == 'returned' or how == 'moved' then session.moves = session.moves + 1 end
  session.current = account
  writeSticky(stickyKey, session, stickyMs)
  return how
end
local function leave(session, account, startedMs)
  if session and session.home == account and session.servedMs >= startedMs then session.servedMs = session.beforeMs end
end
local function stayHome(stickyKey, session, account, stickyMs)
  if not session then return end
  if session.current == account then session.current = session.home end
  writeSticky(stickyKey, session, stickyMs)
end
`
