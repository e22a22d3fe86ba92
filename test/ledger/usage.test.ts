/** The contract of roll-ups and of questions to the usage ledger: every amount counts once, wherever it is. */
import { expect, it } from 'vitest'
import { bucketsAt } from '../../src/ledger/calendar.ts'
import { readUsage, type UsageQuery } from '../../src/ledger/usage.ts'
import { packSums } from '../../src/store/records/sums.ts'
import { rollUpScript } from '../../src/store/scripts/roll-up.ts'
import { type Bench, describeOnStores } from '../store/scripts/setup.ts'

const hourMs = 60 * 60 * 1_000
const dayMs = 24 * hourMs

/** Books so many rows of different keys, models, accounts and clients in the present hour. */
async function book({ settle, nowMs }: Bench, rows: number, timeZone = 'UTC') {
  const buckets = bucketsAt(nowMs(), timeZone)
  for (let i = 0; i < rows; i++) {
    const given = {
      keyId: `key-${i % 7}`,
      accountId: `account-${i % 3}`,
      model: `model|${i}`,
      client: i % 2 ? 'codex' : 'claude_code',
      buckets,
    }
    expect(await settle(`${nowMs()}-${i}`, given)).toBe('charged')
  }
}

async function ask(bench: Bench, query: Partial<UsageQuery> = {}, timeZone = 'UTC') {
  const { redis, keyspace, nowMs } = bench
  const { day } = bucketsAt(nowMs(), timeZone)
  const today = day.slice('day:'.length)
  const source = { redis, keyspace, nowMs: nowMs(), timeZone }
  const whole = { interval: 'day', from: today, to: today, by: [], filter: {} } as const
  const answer = await readUsage(source, { ...whole, ...query })
  if (answer.kind !== 'usage') return answer
  const sums = answer.rows.map(({ period, names, sums }) => {
    const name = [period, ...Object.values(names)].join(' ')
    return [name, sums.requests, sums.costNanoUsd] as const
  })
  const { isPartial, isRollUpDue } = answer
  return { sums: sums.sort(([a], [b]) => (a < b ? -1 : 1)), isPartial, isRollUpDue }
}

describeOnStores('the usage ledger', (bench) => {
  it('answers the same before, during and after a roll-up, by whatever it is asked', async () => {
    const { rollUp, redis, keyspace, nowMs, advance, hash } = bench()
    await book(bench(), 230)
    const { hourId } = bucketsAt(nowMs(), 'UTC')
    const from = new Date(nowMs()).toISOString()
    const range = { from: from.slice(0, 10), to: from.slice(0, 10) }
    const months = { interval: 'month', from: from.slice(0, 7), to: from.slice(0, 7) } as const
    const questions: Partial<UsageQuery>[] = [
      range,
      { ...range, interval: 'hour' },
      months,
      { ...range, by: ['key'] },
      { ...range, by: ['account'] },
      { ...range, by: ['client'] },
      { ...months, by: ['model'] },
      { ...range, interval: 'hour', by: ['key', 'client'] },
      { ...range, by: ['account', 'client'], filter: { key: 'key-3' } },
      { ...months, by: ['key'], filter: { model: 'model|12', account: 'account-0' } },
    ]
    const askAll = async () => {
      const answers = await Promise.all(questions.map((question) => ask(bench(), question)))
      return answers.map((answer) => ({ ...answer, isRollUpDue: undefined }))
    }
    const before = await askAll()
    expect(before[0]).toMatchObject({ sums: [[range.from, 230, 230 * 40]], isPartial: false })
    advance(hourMs)
    const rows = Object.keys(await hash(keyspace.usage.openHour(hourId)))
    const some = rows.filter((row) => row.includes('|')).slice(0, 50)
    await rollUpScript(redis, keyspace, { hourId, rows: some, isLast: false })
    expect(await askAll()).toEqual(before)
    await Promise.all([rollUp(), rollUp(), rollUp()])
    await rollUpScript(redis, keyspace, { hourId, rows: some, isLast: true })
    expect(await askAll()).toEqual(before)
    expect(await hash(keyspace.usage.openHour(hourId))).toEqual({})
    expect(await redis.zcard(keyspace.usage.openHours)).toBe(0)
  })

  it('is partial while more than one hour that has ended is not rolled up', async () => {
    const { advance, rollUp } = bench()
    await book(bench(), 1)
    advance(hourMs)
    expect(await ask(bench())).toMatchObject({ isPartial: false, isRollUpDue: true })
    await book(bench(), 1)
    advance(hourMs)
    expect(await ask(bench())).toMatchObject({
      sums: [[expect.any(String), 1, 40]],
      isPartial: true,
    })
    expect(await rollUp()).toBe(2)
    expect(await ask(bench())).toMatchObject({
      sums: [[expect.any(String), 2, 80]],
      isPartial: false,
    })
    expect(await rollUp()).toBe(0)
  })

  it('tells the two hours apart that a change of clocks makes of one, and keeps days of 23 and 25 hours whole', async () => {
    const zone = 'Europe/Berlin'
    for (const [date, hours, twice] of [
      ['2027-03-28', 23, undefined],
      ['2027-10-31', 25, '2027-10-31T02'],
    ] as const) {
      const midnight = bucketsAt(Date.parse(`${date}T12:00Z`), zone)
      const { nowMs, advance, rollUp } = bench()
      // The clock of the bench only goes forward, to the beginning of the day.
      let startMs = Date.parse(`${date}T00:00Z`)
      while (bucketsAt(startMs - 1, zone).day === midnight.day) startMs -= 15 * 60_000
      advance(startMs - nowMs())
      while (bucketsAt(nowMs(), zone).day === midnight.day) {
        await book(bench(), 1, zone)
        advance(hourMs)
        await rollUp()
      }
      const range = { from: date, to: date }
      expect(await ask(bench(), range, zone)).toMatchObject({ sums: [[date, hours, hours * 40]] })
      const byHour = await ask(bench(), { ...range, interval: 'hour' }, zone)
      if (!('sums' in byHour)) throw new Error('It is too wide')
      expect(byHour.sums).toHaveLength(hours)
      const names = byHour.sums.map(([name]) => name)
      if (twice) expect(names).toEqual(expect.arrayContaining([`${twice}+0100`, `${twice}+0200`]))
    }
  })

  it('leaves out what is not in the range, and adds up across days and months', async () => {
    const { advance, nowMs, rollUp } = bench()
    const firstMs = nowMs()
    const dates: string[] = []
    for (let day = 0; day < 40; day += 8) {
      await book(bench(), 2)
      dates.push(new Date(nowMs()).toISOString().slice(0, 10))
      advance(8 * dayMs)
      await rollUp()
    }
    const [first = '', second = '', third = ''] = dates
    expect(await ask(bench(), { from: first, to: third })).toMatchObject({
      sums: [first, second, third].map((date) => [date, 2, 80]),
    })
    expect(await ask(bench(), { from: second, to: second })).toMatchObject({
      sums: [[second, 2, 80]],
    })
    const months = { from: new Date(firstMs).toISOString().slice(0, 7), to: '2099-12' }
    const byMonth = await ask(bench(), { interval: 'month', ...months })
    if (!('sums' in byMonth)) throw new Error('It is too wide')
    expect(byMonth.sums.reduce((sum, [, requests]) => sum + requests, 0)).toBe(2 * dates.length)
  })

  it('refuses what is too much for one answer, and names the latest part that fits', async () => {
    const { redis, keyspace, nowMs } = bench()
    const large = packSums({ costNanoUsd: 1 }).padEnd(900_000, '0')
    for (const date of ['2026-01', '2026-02', '2026-03', '2026-04']) {
      await redis.hset(keyspace.usage.rollUp('days', date, 'model'), { '05|m': large })
    }
    const query = { interval: 'day', by: ['model'], filter: {} } as const
    const source = { redis, keyspace, nowMs: nowMs(), timeZone: 'UTC' }
    const range = { from: '2026-01-10', to: '2026-04-12' }
    expect(await readUsage(source, { ...query, ...range })).toEqual({
      kind: 'too_wide',
      from: '2026-03-01',
      to: '2026-04-12',
    })
    const narrower = { from: '2026-03-01', to: '2026-04-12' }
    expect(await readUsage(source, { ...query, ...narrower })).toMatchObject({ kind: 'usage' })
  })

  it('keeps hours for 35 days, days for 400, and months for ever', async () => {
    const { redis, keyspace, advance, rollUp, nowMs } = bench()
    await book(bench(), 1)
    const date = new Date(nowMs()).toISOString()
    advance(hourMs)
    await rollUp()
    const days = async (scale: 'hours' | 'days' | 'months', period: string) => {
      const ttls = ['all', 'key', 'key:key-0'].map((view) =>
        redis.pttl(keyspace.usage.rollUp(scale, period, view)),
      )
      return [...new Set((await Promise.all(ttls)).map((ms) => Math.max(0, Math.ceil(ms / dayMs))))]
    }
    expect(await days('hours', date.slice(0, 10))).toEqual([37])
    expect(await days('days', date.slice(0, 7))).toEqual([432])
    expect(await days('months', date.slice(0, 4))).toEqual([0])
  })
})
