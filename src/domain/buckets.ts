/** Buckets: the periods of the calendar that a charge belongs to. */

/** The periods of the configured time zone that a moment belongs to. */
export interface Buckets {
  /**
   * The hour of the usage ledger: the local hour and its offset from UTC, such as `2026-10-25T02+0200`.
   * An hour that a change of clocks repeats has two names.
   */
  hourId: string
  /** When that hour begins and ends, in milliseconds since the epoch. */
  hourStartsMs: number
  hourEndsMs: number
  day: string
  month: string
  /** `week:` and the date of its Monday; names a budget's period only. */
  week: string
  timeZone: string
}

/** The day of an account, from one reset of its quota to the next. */
export interface QuotaDay {
  /** The moment at which it began, such as `2026-11-22T08:30Z`: names sort by time. */
  day: string
  endsMs: number
}
