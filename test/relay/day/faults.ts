/** What goes wrong on a simulated day, with whom and when. */
import type { AccountName } from './world.ts'

const second = 1_000
const minute = 60 * second
const dayMs = 24 * 60 * minute

/** How an account misbehaves. */
export type Trouble =
  /** Connections are refused, and those that are open break. */
  | { kind: 'refused' }
  /** The same, off and on. */
  | { kind: 'flapping'; everyMs: number }
  /** 429 until the end, which `retry-after` names; with `family` only for that. */
  | { kind: 'limited'; family?: 'opus' }
  /** 529 in bursts: `burstMs` of each `everyMs`. */
  | { kind: 'overloaded'; burstMs: number; everyMs: number }
  | { kind: 'unauthorized' }
  /** 400 with a sentence that says that the account is disabled. */
  | { kind: 'disabled' }
  /** The first byte takes 50 to 70 seconds. */
  | { kind: 'slow' }
  /** A share of the answers breaks off, before any content or in the midst of it. */
  | { kind: 'cut'; share: number; when: 'before' | 'after' }
  /** A 200 whose stream begins with an error, or whose JSON is one. */
  | { kind: 'error_event' }
  /** No header ever comes. */
  | { kind: 'silent' }
  /** The headers come, and then no content. */
  | { kind: 'stalled' }

export interface Fault {
  name: string
  account: AccountName | 'all'
  fromMs: number
  toMs: number
  trouble: Trouble
}

/** `[from, to, account, name, trouble]`, the times as `HH:mm` or `HH:mm:ss` of each day. */
const schedule: [string, string, Fault['account'], string, Trouble][] = [
  ['05:00', '08:00', 'north', '401 for three hours', { kind: 'unauthorized' }],
  [
    '08:40',
    '08:55',
    'west',
    '529 in bursts',
    { kind: 'overloaded', burstMs: 30_000, everyMs: 60_000 },
  ],
  ['09:00', '11:00', 'north', 'connection refused', { kind: 'refused' }],
  [
    '10:00',
    '10:20',
    'own',
    'the bound one overloaded',
    { kind: 'overloaded', burstMs: 60_000, everyMs: 60_000 },
  ],
  ['11:15', '12:00', 'south', 'error in a 200', { kind: 'error_event' }],
  ['12:00', '12:07', 'north', '429 for minutes', { kind: 'limited' }],
  ['13:00', '13:40', 'south', 'flapping', { kind: 'flapping', everyMs: 40_000 }],
  ['14:30', '14:31:30', 'all', 'everything fails', { kind: 'refused' }],
  ['15:00', '18:00', 'north', '429 for hours', { kind: 'limited' }],
  ['16:00', '17:30', 'east', 'disabled by its words', { kind: 'disabled' }],
  ['18:30', '20:00', 'north', '429 on opus', { kind: 'limited', family: 'opus' }],
  ['20:10', '20:40', 'south', 'slow first byte', { kind: 'slow' }],
  ['20:45', '21:10', 'north', 'cut before content', { kind: 'cut', share: 0.5, when: 'before' }],
  ['21:20', '21:45', 'north', 'cut after content', { kind: 'cut', share: 0.2, when: 'after' }],
  ['21:50', '22:05', 'north', 'no headers', { kind: 'silent' }],
  ['22:15', '22:30', 'south', 'headers and no content', { kind: 'stalled' }],
]

const msOf = (time: string) => {
  const [hours = 0, minutes = 0, seconds = 0] = time.split(':').map(Number)
  return hours * 60 * minute + minutes * minute + seconds * second
}

/** The faults of so many days, each like the other. */
export function faultsOf(startMs: number, days: number): Fault[] {
  return Array.from({ length: days }, (_, day) =>
    schedule.map(([from, to, account, name, trouble]) => {
      const midnightMs = startMs + day * dayMs
      return {
        name,
        account,
        fromMs: midnightMs + msOf(from),
        toMs: midnightMs + msOf(to),
        trouble,
      }
    }),
  ).flat()
}

/** The fault that an account suffers at a moment, for a family of models. */
export function faultAt(
  faults: Fault[],
  atMs: number,
  account: AccountName,
  family: string,
): Fault | undefined {
  return faults.find((fault) => {
    if (atMs < fault.fromMs || atMs >= fault.toMs) return false
    if (fault.account !== 'all' && fault.account !== account) return false
    const { trouble } = fault
    const sinceMs = atMs - fault.fromMs
    if (trouble.kind === 'limited') return (trouble.family ?? family) === family
    if (trouble.kind === 'flapping') return Math.floor(sinceMs / trouble.everyMs) % 2 === 0
    return trouble.kind !== 'overloaded' || sinceMs % trouble.everyMs < trouble.burstMs
  })
}

/** Whether connections to the account break at this moment. */
export function isDown(fault: Fault | undefined): boolean {
  return fault?.trouble.kind === 'refused' || fault?.trouble.kind === 'flapping'
}
