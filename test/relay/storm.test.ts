/** Two of three accounts fail in every way there is, and no client notices; `npm run storm` does it for long. */
import { describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway } from '../support/gateway.ts'
import { has } from '../support/lanes.ts'
import { checkStats } from '../support/storm/check-ledger.ts'
import type { ExplainedTry } from '../support/storm/check-requests.ts'
import type { Send } from '../support/storm/orders.ts'
import type { Admin } from '../support/storm/phase.ts'
import { openStage, runStorm } from '../support/storm/storm.ts'
import { accountNames, startStormUpstreams } from '../support/storm/upstreams.ts'
import { judgeStorm, missingKinds } from '../support/storm/verdict.ts'

interface Weather {
  healthy: string
  seed: number
  requests: number
  waits: 'never' | 'only'
}

/** Runs a storm in which one account stays well. */
async function weather({ healthy, seed, requests, waits }: Weather) {
  const upstreams = await startStormUpstreams(seed, 50)
  // A machine so busy that it keeps healthy upstreams waiting must not make them fail.
  const timeout = waits === 'only' ? '1' : '15'
  const config = {
    UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: timeout,
    UPSTREAM_IDLE_TIMEOUT_SECONDS: timeout,
    UPSTREAM_JSON_TIMEOUT_SECONDS: timeout,
  }
  const gateway = createTestGateway({ config })
  Object.assign(gateway.runtime.config, { STREAM_KEEPALIVE_SECONDS: 0.3 })
  const { call } = createTestAdmin(gateway)
  const admin: Admin = async (...request) => (await call(...request)).json
  const send: Send = async ({ id, key, body }) => {
    const headers = { 'content-type': 'application/json', 'x-api-key': key.key, 'x-request-id': id }
    const answer = await gateway.app.request('/v1/messages', { method: 'POST', headers, body })
    const requestId = answer.headers.get('x-request-id') ?? undefined
    return { status: answer.status, requestId, text: await answer.text() }
  }
  const stage = await openStage(
    { seed, slackMs: 4_000 },
    { send, admin, log: gateway.lines },
    upstreams,
  )
  const phases = await runStorm(stage, {
    turns: [healthy],
    requests,
    concurrency: 17,
    resetEveryMs: 25,
    waits,
    calm: { requests: requests / 5, perSecond: 0, waits: 'never' },
  })
  await gateway.deferred()
  const violations = await checkStats(stage, phases)
  const verdict = await judgeStorm(stage, phases, gateway.runtime.redis)
  await gateway.close()
  await upstreams.close()
  return { tries: verdict.tries, violations: [...verdict.violations, ...violations] }
}

describe.runIf(has('long runs'))('while two of three accounts fail in any way', () => {
  it('clients see whole answers, and the usage ledger hold to the token what the third has served', async () => {
    const storms = await Promise.all(
      accountNames.map((healthy, i) =>
        weather({ healthy, seed: i + 1, requests: 140, waits: 'never' }),
      ),
    )
    // Alone, and with few requests: nothing but silence may exceed a time-out.
    const [healthy] = accountNames
    storms.push(await weather({ healthy, seed: 4, requests: 15, waits: 'only' }))
    expect(storms.flatMap(({ violations }) => violations).slice(0, 10)).toEqual([])
    const tries: ExplainedTry[] = storms.flatMap((storm) => storm.tries)
    expect(missingKinds(tries)).toEqual([])
  }, 60_000)
})
