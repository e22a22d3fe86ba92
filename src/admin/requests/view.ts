/** What the administration API shows of one request, as schemas that document it. */

import { z } from '@hono/zod-openapi'
import { affinities } from '../../domain/affinity.ts'
import { ends } from '../../domain/request-trace.ts'
import { KeyStats } from '../keys/stats.ts'
import { BillView } from './bill-view.ts'

/** What a request is, by the state of its record. */
export const states = {
  admitted: 'running',
  settled: 'served',
  void: 'rejected',
  orphaned: 'orphaned',
} as const

const text = z.string().nullable()
const duration = (description: string) => z.int().min(0).nullable().openapi({ description })
const moment = (description: string) => z.string().nullable().openapi({ description })

const PassedOver = z
  .object({
    accountId: z.string(),
    why: z.string().openapi({
      description:
        'A setting (`inactive`, `dedicated` …), a limit (`at_capacity`, `over_quota`, `quota_reserved`) ' +
        'or why it is cooling down (`rate_limited`, `overloaded` …)',
    }),
    until: moment('When that ends; null where no time is known'),
  })
  .openapi('PassedOverAccount')

const Attempt = z
  .object({
    accountId: z.string(),
    model: text.openapi({ description: 'As this account was asked, which may rename models' }),
    afterMs: duration('From the arrival of the request'),
    tookMs: duration('Until an answer had begun or the account had failed'),
    outcome: text.openapi({
      description:
        '`answer`, `stream`, `refusal` (of the request itself), `timed_out`, `abandoned` or `unsent` ' +
        '(the client was gone); else why the account failed',
    }),
    status: z.int().nullable().openapi({ description: 'Of the upstream; null without an answer' }),
    cooldownUntil: moment('When the cooldown of the account that it caused ends'),
  })
  .openapi('RequestAttempt')

/** What one request consumed. */
export const Usage = KeyStats.shape.total
  .pick({
    inputTokens: true,
    outputTokens: true,
    cacheCreateTokens: true,
    cacheCreate5mTokens: true,
    cacheCreate1hTokens: true,
    cacheReadTokens: true,
    webSearchRequests: true,
  })
  .openapi('RequestUsage')

const accountIds = [
  '019ac000-0000-7000-8000-00000000000a',
  '019ac000-0000-7000-8000-00000000000b',
  '019ac000-0000-7000-8000-00000000000c',
] as const

const example = {
  requestId: '019ac000-0000-7000-8000-000000000000',
  ledgerId: '019ac000-0000-7000-8000-000000000000',
  state: 'served',
  keyId: '019abfff-0000-7000-8000-000000000000',
  platform: 'claude-console',
  model: 'claude-sonnet-4-5',
  accountId: accountIds[2],
  receivedAt: '2026-11-22T10:20:00.000Z',
  endedAt: '2026-11-22T10:20:04.310Z',
  tookMs: 4310,
  queuedMs: 0,
  stream: true,
  affinity: 'moved',
  end: 'complete',
  refusal: null,
  passedOver: [
    { accountId: accountIds[0], why: 'rate_limited', until: '2026-11-22T11:00:00.000Z' },
  ],
  attempts: [
    {
      accountId: accountIds[1],
      model: 'claude-sonnet-4-5',
      afterMs: 6,
      tookMs: 212,
      outcome: 'overloaded',
      status: 529,
      cooldownUntil: '2026-11-22T10:20:30.218Z',
    },
    {
      accountId: accountIds[2],
      model: 'claude-sonnet-4-5',
      afterMs: 221,
      tookMs: 890,
      outcome: 'stream',
      status: 200,
      cooldownUntil: null,
    },
  ],
  usage: {
    inputTokens: 1200,
    outputTokens: 340,
    cacheCreateTokens: 0,
    cacheCreate5mTokens: 0,
    cacheCreate1hTokens: 0,
    cacheReadTokens: 18000,
    webSearchRequests: 0,
  },
  costUsd: 0.0141,
  estimated: false,
  bill: {
    listCostUsd: 0.0141,
    factors: { servedModel: 'claude-sonnet-4-5-20250929', serviceTier: 'standard' },
    parts: [
      {
        model: 'claude-sonnet-4-5',
        source: 'list',
        table: 'genai-prices-0.1.8',
        isFast: false,
        percents: [],
        multiplier: 1,
        lines: [
          { kind: 'input', units: 1200, rate: 3, costUsd: 0.0036 },
          { kind: 'cacheRead', units: 18000, rate: 0.3, costUsd: 0.0054 },
          { kind: 'output', units: 340, rate: 15, costUsd: 0.0051 },
        ],
      },
    ],
  },
}

const Refusal = z
  .object({ code: z.string(), message: z.string() })
  .openapi('RequestRefusal', { description: 'What its caller was told' })

/** A request, its decision trace and its receipt. */
export const RequestView = z
  .object({
    requestId: z.string().openapi({ description: 'The `x-request-id` of its answer' }),
    ledgerId: z.string().openapi({
      description:
        'Its id in the log and the usage ledger; differs from `requestId` only where the client chose that',
    }),
    state: z.enum(states).openapi({
      description:
        '`served`: an account took it, and its cost was recorded, whatever its `end`; `rejected`: ' +
        'nothing was recorded; `orphaned`: its process ended before it, and an estimate was recorded',
    }),
    keyId: text,
    platform: text,
    model: text.openapi({ description: 'As the client asked' }),
    accountId: text.openapi({ description: 'The account that answered, or is to answer' }),
    receivedAt: moment('RFC 3339'),
    endedAt: moment(
      'Null while it runs; when orphaned, the time at which the estimate was recorded',
    ),
    tookMs: duration('From its arrival to its end'),
    queuedMs: duration('How long it waited for its turn, over the concurrency limit of its key'),
    stream: z.boolean().nullable(),
    affinity: z
      .enum(affinities)
      .nullable()
      .openapi({
        description:
          'Why it went to its account. `none`: chosen freely. `required`: it names an id that only this ' +
          'account knows. Its session `started` there, is on its `primary` account, stays on a ' +
          '`fallback`, `moved` there, or `returned` to its primary account',
      }),
    end: z
      .enum(ends)
      .nullable()
      .openapi({
        description:
          '`complete`; `upstream_truncated`: the upstream broke the answer off; `client_aborted`: the ' +
          'client did; `refused`: the upstream found fault with the request; `timed_out`: a JSON ' +
          'answer took too long; `failed`: every account that was tried failed; `rejected`: no ' +
          'account was asked, and `refusal` says why',
      }),
    refusal: Refusal.nullable().openapi({
      description: 'Why no account was asked: a limit of the key, or what it may not do',
    }),
    passedOver: z.array(PassedOver).openapi({ description: 'Empty until it has ended' }),
    attempts: z.array(Attempt).openapi({ description: 'In their order; empty until it has ended' }),
    usage: Usage.nullable().openapi({ description: 'Null where nothing was recorded' }),
    costUsd: z.number().min(0).nullable().openapi({
      description: 'Null while it runs, and for a model without a price',
    }),
    estimated: z.boolean().openapi({ description: 'Whether the cost is an estimate' }),
    bill: BillView.nullable().openapi({
      description: 'How the cost was found; null where nothing was served',
    }),
  })
  .openapi('Request', { example })
export type RequestView = z.infer<typeof RequestView>
