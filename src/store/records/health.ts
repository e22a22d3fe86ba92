/** The health record of an account or of a family of its models: why it cools down, and until when. */

/**
 * `untilMs|failures|sinceMs|reason`, with a `p` behind `failures` while one request probes the account:
 * format 1 of the store. An absent record means healthy, and so does `ended|<ms>`: what a record leaves
 * behind when it ends, because an attempt that began before then says nothing of the account any more.
 * An end that the vendor named never has the length of a grown cooldown: see `onlyEndMs` in `lua/health.ts`.
 */
export interface HealthRecord {
  untilMs: number
  failures: number
  isProbing: boolean
  /** When the record was last written for a failure; only attempts begun later count. */
  sinceMs: number
  reason: string
}

/** Reads a health record; undefined for an absent one or one of another form. */
export function decodeHealth(text: string | null | undefined): HealthRecord | undefined {
  const [, untilMs, failures, probe, sinceMs, reason] =
    /^(\d{1,15})\|(\d{1,15})(p?)\|(\d{1,15})\|(.*)$/.exec(text ?? '') ?? []
  if (reason === undefined) return undefined
  return {
    untilMs: Number(untilMs),
    failures: Number(failures),
    isProbing: probe === 'p',
    sinceMs: Number(sinceMs),
    reason,
  }
}

/** The field of an account's record, or of the record of one family of its models. */
export const healthField = (accountId: string, family?: string): string =>
  family === undefined ? accountId : `${accountId}/${family}`

/** Reads such a field; ids of accounts hold no slash. */
export function readHealthField(field: string): { accountId: string; family: string | undefined } {
  const [accountId = '', family] = field.split('/', 2)
  return { accountId, family }
}

/**
 * The same codec in Lua: `readHealth(text)`, `packHealth(record)` and `healthField(account, family)`;
 * `endedHealth(atMs)` and `healthEndMs(text)` for what an ended record leaves behind. Any reason is read,
 * also one that only a newer gateway knows.
 */
export const healthCodec = `
local function readHealth(text)
  if not text then return nil end
  local untilMs, failures, probe, sinceMs, reason = text:match('^(%d+)|(%d+)(p?)|(%d+)|(.*)$')
  if not untilMs or #untilMs > 15 or #failures > 15 or #sinceMs > 15 then return nil end
  return { untilMs = tonumber(untilMs), failures = tonumber(failures), isProbing = probe == 'p',
    sinceMs = tonumber(sinceMs), reason = reason }
end
local function packHealth(it)
  local failures = int(it.failures) .. (it.isProbing and 'p' or '')
  return table.concat({ int(it.untilMs), failures, int(it.sinceMs), it.reason }, '|')
end
local function endedHealth(atMs) return 'ended|' .. int(atMs) end
local function healthEndMs(text) return tonumber((text or ''):match('^ended|(%d+)$') or '-1') end
local function healthField(account, family)
  return family and account .. '/' .. family or account
end
`
