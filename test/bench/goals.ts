/** What the relay must cost at most, and what it should. Only ratios mean something on another machine. */

export interface Goal {
  what: string
  must: number
  aim?: number
  /** Written after the value. */
  unit: string
  /** The value must be at least that, not at most. */
  atLeast?: boolean
}

const times = '×'

const table = {
  jsonRedis: { what: 'JSON, 32 connections, Redis: CPU', must: 2.4, aim: 1.7, unit: times },
  jsonEmbedded: { what: 'JSON, 32 connections, embedded: CPU', must: 3.2, aim: 2.5, unit: times },
  pacedRedis: { what: 'JSON, paced, Redis: CPU', must: 2, unit: times },
  pacedEmbedded: { what: 'JSON, paced, embedded: CPU', must: 3, unit: times },
  streamRedis: { what: '200-delta stream, Redis: CPU', must: 1.05, aim: 0.9, unit: times },
  streamEmbedded: { what: '200-delta stream, embedded: CPU', must: 1.2, aim: 0.9, unit: times },
  p99Redis1: { what: 'p99 added, 1 connection, Redis', must: 4, aim: 2, unit: times },
  p99Redis16: { what: 'p99 added, 16 connections, Redis', must: 4, aim: 2, unit: times },
  p99Redis64: { what: 'p99 added, 64 connections, Redis', must: 4, aim: 2, unit: times },
  p99Embedded1: { what: 'p99 added, 1 connection, embedded', must: 4, aim: 2, unit: times },
  p99Embedded16: { what: 'p99 added, 16 connections, embedded', must: 4, aim: 2, unit: times },
  p99Embedded64: { what: 'p99 added, 64 connections, embedded', must: 4, aim: 2, unit: times },
  redisCpu: { what: 'Redis server: CPU per request', must: 248, unit: ' µs' },
  redisCommands: { what: 'Redis server: commands per request', must: 26, unit: '' },
  sizeRedis: { what: '200 accounts, 2,000 keys, Redis: CPU', must: 1.2, unit: times },
  sizeEmbedded: { what: '200 accounts, 2,000 keys, embedded: CPU', must: 1.2, unit: times },
  listCold: { what: 'first list of 2,000 keys, longest stretch', must: 5, unit: ' ms' },
  listSort: { what: 'list of 2,000 keys, sort=name: CPU', must: 10, unit: ' ms' },
  listSearch: { what: 'list of 2,000 keys, search: CPU', must: 10, unit: ' ms' },
  listTag: { what: 'list of 2,000 keys, tag: CPU', must: 10, unit: ' ms' },
  listStretch: { what: 'the same lists, longest stretch', must: 5, unit: ' ms' },
  streamsServed: { what: 'silent streams on one process', must: 10_000, unit: '', atLeast: true },
  streamKiB: { what: 'memory of each of them', must: 56, aim: 40, unit: ' KiB' },
  diskEmbedded: { what: 'disk of the embedded store', must: 8, unit: ' MB' },
  diskShrinks: { what: 'share of it left 3 days later', must: 0.9, unit: '' },
  diskJournal: { what: 'disk of the journal beside Redis', must: 8, unit: ' MB' },
} as const satisfies Record<string, Goal>

export type GoalName = keyof typeof table

export const goals: Record<GoalName, Goal> = table
