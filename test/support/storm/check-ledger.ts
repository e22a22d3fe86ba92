/** Checks what a storm has left in the usage ledger and in the counters: all that was served, and no lease. */
import type { Redis } from '@upstash/redis'
import { type Sums, sumFields } from '../../../src/domain/sums.ts'
import { noUsage } from '../../../src/domain/usage.ts'
import { priceUsage } from '../../../src/ledger/price.ts'
import { readUsage } from '../../../src/ledger/usage.ts'
import { createKeyspace } from '../../../src/store/keyspace.ts'
import { decodeLoad } from '../../../src/store/records/load.ts'
import { unpackSums } from '../../../src/store/records/sums.ts'
import type { Dimension } from '../../../src/store/records/usage-row.ts'
import { groupBy } from './check-requests.ts'
import type { Phase, Stage } from './phase.ts'
import type { GivenAnswer } from './upstreams.ts'

const platform = 'claude-console'
const keyspace = createKeyspace('crs:')

type Charged = Pick<
  Sums,
  'requests' | 'inputTokens' | 'outputTokens' | 'cacheWrite5mTokens' | 'cacheReadTokens'
> & { costNanoUsd: number }

/** What these answers have to be charged as. */
export function sumOf(answers: readonly GivenAnswer[]): Charged {
  const sums = { requests: 0, inputTokens: 0, outputTokens: 0, costNanoUsd: 0 }
  const all = { ...sums, cacheWrite5mTokens: 0, cacheReadTokens: 0 }
  for (const { model, served } of answers) {
    if (!served.usage) continue
    const usage = {
      ...noUsage,
      inputTokens: served.usage.input_tokens,
      outputTokens: served.usage.output_tokens,
      cacheWrite5mTokens: served.usage.cache_creation_input_tokens,
      cacheReadTokens: served.usage.cache_read_input_tokens,
    }
    const cost = priceUsage({ provider: 'anthropic', model, usage, atMs: Date.now() })
    all.requests += 1
    all.inputTokens += usage.inputTokens
    all.outputTokens += usage.outputTokens
    all.cacheWrite5mTokens += usage.cacheWrite5mTokens
    all.cacheReadTokens += usage.cacheReadTokens
    all.costNanoUsd += cost === 'unpriced' ? Number.NaN : cost.costNanoUsd
  }
  return all
}

/** Answers by the id of the key that asked for them. */
function answersByKey(stage: Stage, phases: Phase[]) {
  const keyOf = new Map(phases.flatMap(({ orders }) => orders.map(({ id, key }) => [id, key.id])))
  return groupBy(stage.upstreams.answers, ({ requestId }) => keyOf.get(requestId) ?? '')
}

/** The administration's totals of each key, once the last settlement is in. */
export async function checkStats(stage: Stage, phases: Phase[]): Promise<string[]> {
  const violations: string[] = []
  for (const [keyId, answers] of answersByKey(stage, phases)) {
    const expected = sumOf(answers)
    const { total } = await stage.admin('GET', `/keys/${keyId}/stats`)
    const wanted = {
      requests: expected.requests,
      inputTokens: expected.inputTokens,
      outputTokens: expected.outputTokens,
      cacheCreateTokens: expected.cacheWrite5mTokens,
      cacheReadTokens: expected.cacheReadTokens,
      costUsd: expected.costNanoUsd / 1e9,
      estimatedRequests: 0,
      orphanedRequests: 0,
      unpricedRequests: 0,
    }
    for (const [field, value] of Object.entries(wanted)) {
      if (total[field] !== value) {
        violations.push(`key ${keyId}: ${field} is ${total[field]}, served was ${value}`)
      }
    }
  }
  return violations
}

/**
 * What the usage ledger holds of one account, model or key, of this year and the one before: what keys
 * consumed, and apart from that what failed attempts have reported, which no key pays for.
 */
async function totalsOf(
  redis: Redis,
  dimension: Dimension,
  name: string,
): Promise<{ served: Sums; failed: Sums }> {
  const year = new Date().getFullYear()
  const answer = await readUsage(
    { redis, keyspace, nowMs: Date.now(), timeZone: 'UTC' },
    {
      interval: 'month',
      from: `${year - 1}-01`,
      to: `${year}-12`,
      by: ['key'],
      filter: { [dimension]: name },
    },
  )
  if (answer.kind !== 'usage') throw new Error('The usage of a storm is too large to be read')
  const total = (isServed: boolean) =>
    answer.rows
      .filter(({ names }) => (names.key !== '') === isServed)
      .reduce((total, { sums }) => {
        const entries = sumFields.map((field) => [field, total[field] + sums[field]] as const)
        return Object.fromEntries(entries) as Sums
      }, unpackSums(undefined))
  return { served: total(true), failed: total(false) }
}

/** The store itself, which nobody writes to any more. */
export async function checkStore(stage: Stage, phases: Phase[], redis: Redis): Promise<string[]> {
  const violations: string[] = []
  const expectEqual = (what: string, found: unknown, wanted: unknown) => {
    if (found !== wanted) violations.push(`${what} is ${found}, expected ${wanted}`)
  }
  const check = async (
    what: string,
    given: [Dimension, string],
    answers: readonly GivenAnswer[],
  ) => {
    const { served: found, failed } = await totalsOf(redis, ...given)
    for (const [field, value] of Object.entries(sumOf(answers))) {
      expectEqual(`${what}: ${field}`, found[field as keyof Sums], value)
    }
    return failed.costNanoUsd
  }
  const { answers } = stage.upstreams
  for (const [name, id] of stage.accountIds) {
    const own = answers.filter(({ account }) => account === name)
    const load = decodeLoad((await redis.hget(keyspace.load(platform), id)) as string | null)
    expectEqual(`${name}: inflight`, load.inflight, 0)
    expectEqual(`${name}: reservedNanoUsd`, load.reservedNanoUsd, 0)
    const failed = await check(`usage of ${name}`, ['account', id], own)
    // What it reported of attempts that failed is a cost of the account as well.
    expectEqual(`${name}: spent`, load.spentNanoUsd, sumOf(own).costNanoUsd + failed)
  }
  for (const [model, own] of groupBy(answers, (answer) => answer.model)) {
    await check(`usage of ${model}`, ['model', model], own)
  }
  for (const [keyId, own] of answersByKey(stage, phases)) {
    const fields = ['heldNanoUsd', 'heldOpusNanoUsd', 'spentNanoUsd']
    const row = (await redis.hmget(keyspace.keyCounters(keyId), ...fields)) as unknown
    const wanted = ['0', '0', String(sumOf(own).costNanoUsd)]
    expectEqual(`key ${keyId}: ${fields}`, String(row), String(wanted))
    expectEqual(`key ${keyId}: leases`, await redis.zcard(keyspace.keyLeases(keyId)), 0)
    await check(`usage of key ${keyId}`, ['key', keyId], own)
  }
  expectEqual('leases', await redis.zcard(keyspace.poolLeases(platform)), 0)
  expectEqual('orphans', await redis.zcard(keyspace.orphans), 0)
  return violations
}
