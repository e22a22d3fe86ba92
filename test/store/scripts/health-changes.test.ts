/** Scripts tell when an account, or a family of its models, begins to cool down and when it recovers. */
import { expect, it } from 'vitest'
import { describeOnStores, failed } from './setup.ts'

describeOnStores('changes of health', (bench) => {
  const began = { change: 'cooling', accountId: 'a', family: '', reason: 'overloaded' }

  it('are told once for a wave of failures, and once when a success ends the cooldown', async () => {
    const { admit, settleFully, advance, nowMs } = bench()
    for (const ledgerId of ['one', 'two', 'three']) await admit(ledgerId)
    const untilMs = nowMs() + 1_001
    advance(1)
    const first = await settleFully('one', { verdict: failed() })
    expect(first).toEqual({ kind: 'charged', healthChanges: [{ ...began, untilMs }] })
    expect(await settleFully('two', { verdict: failed() })).toMatchObject({ healthChanges: [] })
    expect(await settleFully('three', { verdict: 'success' })).toMatchObject({ healthChanges: [] })
    advance(2_000)
    await admit('probe')
    advance(1)
    const recovered = { ...began, change: 'recovered' }
    const last = await settleFully('probe', { verdict: 'success' })
    expect(last.healthChanges).toMatchObject([recovered])
    expect(await settleFully('probe', { verdict: 'success' })).toEqual({
      kind: 'duplicate',
      healthChanges: [],
    })
  })

  it('do not begin anew when a probe fails: the account has not recovered in between', async () => {
    const { admit, settleFully, advance } = bench()
    await admit('one')
    advance(1)
    await settleFully('one', { verdict: failed() })
    advance(2_000)
    await admit('probe')
    advance(1)
    expect(await settleFully('probe', { verdict: failed() })).toMatchObject({ healthChanges: [] })
  })

  it('name the family of models that they are about', async () => {
    const { admit, settleFully, recover, advance } = bench()
    const family = { verdict: failed({ scope: 'family' }), family: 'opus' }
    await admit('one')
    advance(1)
    const changes = (await settleFully('one', family)).healthChanges
    expect(changes).toMatchObject([{ ...began, family: 'opus' }])
    advance(2_000)
    await admit('probe')
    advance(1)
    expect(await recover('probe')).toMatchObject({
      kind: 'ok',
      healthChanges: [{ change: 'recovered', accountId: 'a', family: 'opus' }],
    })
  })
})
