/** The log: an observer that writes each event as one line of JSON. */
import type { GatewayEvent, Observer } from '../domain/events.ts'

const levels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof levels)[number]

/** The level `error` is for what its operator must mend, never for what a client did. */
const levelOf: { [Type in GatewayEvent['type']]: Exclude<LogLevel, 'silent'> } = {
  served: 'info',
  unserved: 'info',
  error_answered: 'info',
  failed: 'error',
  denied: 'info',
  unmetered: 'debug',
  attempt_failed: 'warn',
  account_cooling: 'info',
  account_recovered: 'info',
  credential_unreadable: 'error',
  platform_failed: 'error',
  account_unreadable: 'error',
  settled: 'debug',
  settlement_delayed: 'warn',
  settlement_undelivered: 'error',
  orphaned_request: 'warn',
  orphan_unreadable: 'error',
  journal_failed: 'error',
  journal_damaged: 'error',
  journal_entry_too_old: 'error',
  journal_entry_unreadable: 'error',
  unpriced_model: 'warn',
  started: 'info',
  stopped: 'info',
  setting_questionable: 'warn',
  deferred_failed: 'error',
  admin_created: 'info',
  admin_login: 'info',
  admin_logout: 'info',
  admin_password_changed: 'info',
  admin_password_rehashed: 'info',
  record_changed: 'info',
}

/** @param write takes each line, `{ time, level, event, …fields }`; events below `level` have none. */
export function createLog(
  level: LogLevel,
  write: (line: string) => void,
  now: () => number,
): Observer {
  const threshold = levels.indexOf(level)
  return (event) => {
    const level = levelFor(event)
    if (levels.indexOf(level) < threshold) return
    write(`{"time":"${isoTime(now())}","level":"${level}",${textOf(event)}`)
  }
}

let latest = { ms: Number.NaN, text: '' }

/** Many lines are written in one millisecond. */
function isoTime(ms: number): string {
  if (latest.ms !== ms) latest = { ms, text: new Date(ms).toISOString() }
  return latest.text
}

/** The rest of a line, from its `event` on. */
function textOf(event: GatewayEvent): string {
  if ('action' in event || 'error' in event) return JSON.stringify(lineOf(event)).slice(1)
  // Most events are written as they are: only their first field has another name.
  const text = JSON.stringify(event)
  const begin = `{"type":"${event.type}"`
  if (!text.startsWith(begin)) return JSON.stringify(lineOf(event)).slice(1)
  return `"event":"${event.type}"${text.slice(begin.length)}`
}

/** Cooldowns that no time ends for good: an administrator has to renew the credential. */
const needsAdmin = new Set<string>(['account_refused', 'credential_unreadable'])

const levelFor = (event: GatewayEvent) =>
  event.type === 'account_cooling' && needsAdmin.has(event.reason) ? 'error' : levelOf[event.type]

/** The name of an event in the log, and its fields. */
function lineOf({ type, ...fields }: GatewayEvent): { event: string } & Record<string, unknown> {
  if ('action' in fields) return changeLine(fields)
  if (!('error' in fields)) return { event: type, ...fields }
  const { error } = fields
  const stack = levelOf[type] === 'error' && error instanceof Error ? error.stack : undefined
  return { event: type, ...fields, error: String(error), stack }
}

/** Fields that name the record of an action such as `api_key.updated`. */
const idFields = new Map([
  ['api_key', 'keyId'],
  ['account', 'accountId'],
])

type Change = Omit<Extract<GatewayEvent, { type: 'record_changed' }>, 'type'>

function changeLine({ action, targetId, by }: Change) {
  const [record = ''] = action.split('.')
  return {
    event: action.replaceAll('.', '_'),
    [idFields.get(record) ?? 'targetId']: targetId,
    by,
  }
}
