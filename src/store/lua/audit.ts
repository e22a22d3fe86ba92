/** Lua: the audit trail, appended by the very script that makes the change, so that there is never one without the other. */

/** Entries kept; the oldest go first. */
const maxEntries = 10_000

/**
 * `audit(keys, entry)`: all members have score 0 and begin with a time-ordered id, so the set is in
 * the order of time. An empty entry records nothing.
 */
export const audit = `
local function audit(keys, entry)
  if entry == '' then return end
  redis.call('ZADD', keys.audit, 0, entry)
  local surplus = redis.call('ZCARD', keys.audit) - ${maxEntries}
  if surplus > 0 then redis.call('ZPOPMIN', keys.audit, surplus) end
end
`
