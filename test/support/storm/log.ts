/** What the gateway's own log says of a storm. */

/** One attempt, as the decision trace has it. */
export interface LoggedAttempt {
  accountId: string
  afterMs: number
  tookMs: number
  outcome: string
  status: number | null
  cooldownUntilMs?: number
}

/** One request that was served, as its line says. */
export interface LoggedRequest {
  requestId: string
  ledgerId: string
  keyId: string
  accountId: string
  model: string
  end: string
  affinity: string
  estimated: boolean
  costNanoUsd: number
  inputTokens: number
  outputTokens: number
  cacheWrite5mTokens: number
  cacheWrite1hTokens: number
  cacheReadTokens: number
  attempts: LoggedAttempt[]
  /** When it came, in epoch ms. */
  receivedAtMs: number
}

export interface ReadLog {
  served: LoggedRequest[]
  /** Lines that no storm should cause: warnings other than of a failed attempt, and errors. */
  alarms: string[]
}

/** Reads lines of JSON; the log level has to be `info` or lower. */
export function readLog(lines: readonly string[]): ReadLog {
  const served: LoggedRequest[] = []
  const alarms: string[] = []
  for (const line of lines) {
    if (!line.startsWith('{')) continue
    const { time, level, event, tookMs, ...fields } = JSON.parse(line)
    if (event === 'served') {
      served.push({ ...fields, receivedAtMs: Date.parse(time) - tookMs })
    } else if (event === 'unserved' || (level === 'error' && event !== 'account_cooling'))
      alarms.push(line)
    else if (level === 'warn' && event !== 'attempt_failed') alarms.push(line)
  }
  return { served, alarms }
}

/** What an attempt that failed was told to wait, with the moments between which it ran. */
export interface FailedTry {
  requestId: string
  accountId: string
  model: string
  reason: string
  status: number | null
  begunMs: number
  endedMs: number
  cooldownUntilMs: number
  /** From its end until the next attempt was sent. */
  switchMs: number
}

const successes = new Set(['answer', 'stream'])

/** Every failed attempt of these requests, in the order in which they ended. */
export function failedTries(requests: readonly LoggedRequest[]): FailedTry[] {
  const tries = requests.flatMap(({ requestId, model, receivedAtMs, attempts }) =>
    attempts.flatMap(({ accountId, outcome, status, afterMs, tookMs, cooldownUntilMs = 0 }, i) => {
      if (successes.has(outcome)) return []
      const begunMs = receivedAtMs + afterMs
      const switchMs = (attempts[i + 1]?.afterMs ?? Number.NaN) - afterMs - tookMs
      const moments = { begunMs, endedMs: begunMs + tookMs, cooldownUntilMs, switchMs }
      return [{ requestId, accountId, model, reason: outcome, status, ...moments }]
    }),
  )
  return tries.toSorted((a, b) => a.endedMs - b.endedMs)
}
