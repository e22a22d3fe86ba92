/** Buckets: the periods of the calendar that a charge belongs to. */

/** Names of the bucket fields that a charge belongs to, in the configured time zone. */
export interface Buckets {
  hour: string
  day: string
  month: string
  /** `week:` and the date of its Monday; names a budget's period, not a field of the usage ledger. */
  week: string
  /** Hour and day fields that sort below these are pruned when a new day begins. */
  hourPruneBefore: string
  dayPruneBefore: string
}

/** The day of an account, from one reset of its quota to the next. */
export interface QuotaDay {
  /** The moment at which it began, such as `2026-11-22T08:30Z`: names sort by time. */
  day: string
  endsMs: number
}
