/** The contract of the log: one line of JSON for each event, with its level, and stacks for faults only. */
import { describe, expect, it } from 'vitest'
import type { GatewayEvent } from '../../src/domain/events.ts'
import { createLog, type LogLevel } from '../../src/observe/log.ts'

/** The lines that these events make, parsed. */
function linesOf(events: GatewayEvent[], level: LogLevel = 'debug') {
  const lines: string[] = []
  const log = createLog(
    level,
    (line) => void lines.push(line),
    () => 0,
  )
  for (const event of events) log(event)
  return lines.map((line) => JSON.parse(line))
}

describe('a line of the log', () => {
  it('has the time, the level, the name and the fields of its event', () => {
    const attempt = { requestId: 'r', ledgerId: 'l', accountId: 'a', reason: 'timeout' } as const
    const [line] = linesOf([{ type: 'attempt_failed', ...attempt }])
    const head = { time: '1970-01-01T00:00:00.000Z', level: 'warn', event: 'attempt_failed' }
    expect(line).toEqual({ ...head, ...attempt })
    expect(Object.keys(line)).toEqual([...Object.keys(head), ...Object.keys(attempt)])
  })

  it('is not written below the level that was set', () => {
    const events: GatewayEvent[] = [
      { type: 'settled', ledgerId: 'l', kind: 'final', reply: 'charged' },
      { type: 'stopped' },
      { type: 'unpriced_model', ledgerId: 'l', model: 'm' },
      { type: 'journal_entry_too_old', ledgerId: 'l' },
    ]
    const names = (level: LogLevel) => linesOf(events, level).map(({ event }) => event)
    expect(names('debug')).toHaveLength(4)
    expect(names('info')).toEqual(['stopped', 'unpriced_model', 'journal_entry_too_old'])
    expect(names('warn')).toEqual(['unpriced_model', 'journal_entry_too_old'])
    expect(names('error')).toEqual(['journal_entry_too_old'])
    expect(names('silent')).toEqual([])
  })

  it('names a changed record by its action', () => {
    const change = { type: 'record_changed', targetId: 'x', by: 'admin' } as const
    expect(
      linesOf([
        { ...change, action: 'api_key.updated' },
        { ...change, action: 'account.deleted' },
        { ...change, action: 'settings.updated' },
      ]),
    ).toMatchObject([
      { event: 'api_key_updated', keyId: 'x', by: 'admin' },
      { event: 'account_deleted', accountId: 'x', by: 'admin' },
      { event: 'settings_updated', targetId: 'x', by: 'admin' },
    ])
  })

  it('tells when an account begins to cool down, and when it has recovered', () => {
    const scope = { accountId: 'a', poolId: 'claude-console', family: 'opus' } as const
    const cooling = { ...scope, reason: 'overloaded', untilMs: 15_000 } as const
    expect(
      linesOf([
        { type: 'account_cooling', ...cooling },
        { type: 'account_recovered', ...scope },
      ]),
    ).toMatchObject([
      { level: 'info', event: 'account_cooling', ...cooling },
      { level: 'info', event: 'account_recovered', ...scope },
    ])
  })

  it('has the stack of a fault of the gateway, and none of what passes', () => {
    const error = new TypeError('x is not a function')
    const [fault, deferred, delayed] = linesOf([
      { type: 'failed', requestId: 'r', code: 'internal', error },
      { type: 'deferred_failed', error: 'a text that was thrown' },
      { type: 'settlement_delayed', ledgerId: 'l', kind: 'void', error },
    ])
    expect(fault).toMatchObject({ level: 'error', error: 'TypeError: x is not a function' })
    expect(fault.stack).toContain('log.test.ts')
    expect(deferred).toMatchObject({ level: 'error', error: 'a text that was thrown' })
    expect(delayed).toMatchObject({ level: 'warn', error: 'TypeError: x is not a function' })
    expect(delayed).not.toHaveProperty('stack')
  })
})
