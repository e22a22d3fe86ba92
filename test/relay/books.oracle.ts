/** What a key has to be charged for an answer, from what its upstream has reported. */
import { noUsage, type Usage } from '../../src/domain/usage.ts'
import { priceUsage } from '../../src/ledger/price.ts'
import type { Script } from './books.script.ts'

/** Sums of a key, in the names of its statistics; all of them exact. */
export type Charge = Record<keyof typeof nothing, number>

export const nothing = {
  requests: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheCreate5mTokens: 0,
  cacheCreate1hTokens: 0,
  cacheCreate30mTokens: 0,
  cacheCreate12hTokens: 0,
  reasoningTokens: 0,
  webSearchRequests: 0,
  costNanoUsd: 0,
  estimatedRequests: 0,
  orphanedRequests: 0,
  unpricedRequests: 0,
}

/** What is booked for an answer: what was reported, at least what was seen, or nothing as it is not shown. */
export type Booking =
  | { kind: 'exact'; charge: Charge }
  | { kind: 'estimated'; atLeast: Charge; isInputKnown: boolean }
  | { kind: 'nothing' }

function usageOf({ operation, counts }: Script): Usage {
  const { fresh, read, written, writtenLong, output, reasoning, searches } = counts
  const isClaude = operation === 'messages'
  return {
    ...noUsage,
    inputTokens: fresh,
    outputTokens: output,
    cacheReadTokens: read,
    ...(isClaude
      ? { cacheWrite5mTokens: written, cacheWrite1hTokens: writtenLong }
      : { cacheWrite30mTokens: written, cacheWrite12hTokens: writtenLong }),
    reasoningTokens: reasoning,
    webSearchRequests: searches,
  }
}

function chargeOf(script: Script, usage: Usage, atMs: number): Charge {
  const isClaude = script.operation === 'messages'
  const provider = isClaude ? 'anthropic' : 'openai'
  const model = isClaude ? 'claude-sonnet-4-6' : 'gpt-5'
  const cost = priceUsage({ provider, model, usage, atMs })
  return {
    ...nothing,
    requests: 1,
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    cacheReadTokens: usage.cacheReadTokens,
    cacheCreate5mTokens: usage.cacheWrite5mTokens,
    cacheCreate1hTokens: usage.cacheWrite1hTokens,
    cacheCreate30mTokens: usage.cacheWrite30mTokens,
    cacheCreate12hTokens: usage.cacheWrite12hTokens,
    reasoningTokens: usage.reasoningTokens,
    webSearchRequests: usage.webSearchRequests,
    costNanoUsd: cost === 'unpriced' ? Number.NaN : cost.costNanoUsd,
  }
}

const inputOf = ({ counts: { fresh, read, written, writtenLong } }: Script) =>
  fresh + read + written + writtenLong

/** Whether the client is shown this answer, and whether its upstream has reported all of it. */
function fateOf(script: Script, wantsStream: boolean): Booking['kind'] {
  const { ending, isStream } = script
  const isCounted = inputOf(script) + script.counts.output > 0
  const whole = isCounted ? 'exact' : 'estimated'
  if (ending === 'complete' || ending === 'incomplete' || ending === 'withoutLast') return whole
  if (ending.endsWith('Before')) return 'nothing'
  // A failed response that costs nothing is only an error.
  if (!isStream) return ending === 'failed' && isCounted ? 'exact' : 'nothing'
  if (!wantsStream) return 'nothing'
  return ending === 'failed' ? whole : 'estimated'
}

/** @param atMs when it is charged, as prices change. */
export function bookingOf(script: Script, wantsStream: boolean, atMs: number): Booking {
  const kind = fateOf(script, wantsStream)
  if (kind === 'nothing') return { kind }
  const usage = usageOf(script)
  if (kind === 'exact') return { kind, charge: chargeOf(script, usage, atMs) }
  const { operation, ending, report, deltas } = script
  const isAtStart = operation === 'messages' && report !== 'atEnd' && inputOf(script) > 0
  const seen = Math.ceil(deltas.join('').length / 4)
  const isFailure = !['complete', 'incomplete', 'withoutLast', 'failed'].includes(ending)
  const known = isAtStart && isFailure ? usage : noUsage
  const unknown = { webSearchRequests: 0, reasoningTokens: 0, outputTokens: seen }
  const atLeast = { ...chargeOf(script, { ...known, ...unknown }, atMs), estimatedRequests: 1 }
  return { kind, atLeast, isInputKnown: isAtStart && isFailure }
}
