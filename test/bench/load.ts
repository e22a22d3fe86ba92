/** The load that a measurement puts on a target, and the order in which targets take turns. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Target } from './targets.ts'

/** What is asked for. */
export interface Work {
  stream: boolean
  /** The last thing that a complete answer says. */
  ending: string
  query?: string
}

export const json: Work = { stream: false, ending: '"usage":' }
export const deltas: Work = { stream: true, ending: 'message_stop' }

/** The value that `percent` of the values do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? Number.NaN
}

export const median = (values: readonly number[]) => percentile(values, 50)

/** A request as the vendor's SDK sends it, with a body of some 0.8 KB. */
export function messageRequest(key: string, { stream, query = '' }: Omit<Work, 'ending'>) {
  return {
    method: 'POST' as const,
    path: `/v1/messages${query}`,
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      'x-api-key': key,
      'anthropic-version': '2023-06-01',
      'user-agent': 'Anthropic/JS 1.12.0',
      'x-stainless-arch': 'x64',
      'x-stainless-lang': 'js',
      'x-stainless-os': 'Linux',
      'x-stainless-package-version': '1.12.0',
      'x-stainless-retry-count': '0',
      'x-stainless-runtime': 'node',
      'x-stainless-timeout': '600',
    },
    body: JSON.stringify({
      model: 'claude-sonnet-4-5-20250929',
      max_tokens: 1024,
      system: 'You answer in one sentence. '.repeat(10),
      messages: [{ role: 'user', content: 'What is the answer to this question? '.repeat(10) }],
      stream,
    }),
  }
}

const turns = new WeakMap<Target, number>()

/** Sends one request, with the next key of the target. @throws Error on an answer that is not whole. */
async function send(target: Target, work: Work): Promise<number> {
  const turn = turns.get(target) ?? 0
  turns.set(target, turn + 1)
  const key = target.keys[turn % target.keys.length] ?? ''
  const startMs = performance.now()
  const { statusCode, body } = await target.pool.request(messageRequest(key, work))
  const text = await body.text()
  const latencyMs = performance.now() - startMs
  if (statusCode === 200 && text.includes(work.ending)) return latencyMs
  throw new Error(`${target.name} answered ${statusCode}: ${text.slice(0, 200)}`)
}

/** Sends `count` requests, `connections` at a time. @returns their latencies in milliseconds */
export async function saturate(
  target: Target,
  work: Work,
  { count, connections }: { count: number; connections: number },
): Promise<number[]> {
  const latenciesMs: number[] = []
  let left = count
  const member = async () => {
    while (left-- > 0) latenciesMs.push(await send(target, work))
  }
  await Promise.all(Array.from({ length: connections }, member))
  return latenciesMs
}

/** Sends `count` requests evenly over time, whatever is still under way. */
export async function pace(
  target: Target,
  work: Work,
  { count, perSecond }: { count: number; perSecond: number },
): Promise<number[]> {
  const startMs = performance.now()
  const sent: Promise<number>[] = []
  while (sent.length < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - startMs) / 1_000) * perSecond))
    while (sent.length < due) sent.push(send(target, work))
    await delay(1)
  }
  return Promise.all(sent)
}

/**
 * Measures the targets one after the other, `rounds` times, so that what slows the machine for a while
 * slows each of them.
 * @returns the results of each target in the order of the rounds
 */
export async function inTurns<T, R>(
  targets: readonly T[],
  rounds: number,
  measure: (target: T) => Promise<R>,
): Promise<Map<T, R[]>> {
  const results = new Map<T, R[]>(targets.map((target) => [target, []]))
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) results.get(target)?.push(await measure(target))
  }
  return results
}

/** The median over the rounds of value ÷ value of the baseline in the same round. */
export function medianRatio(values: readonly number[], baseline: readonly number[]): number {
  return median(values.map((value, round) => value / (baseline[round] ?? Number.NaN)))
}
