/**
 * What the hot path may cost, in counts that do not depend on the machine: upper bounds, lowered with
 * each step that saves something. What depends on the machine is in bench/goals.ts.
 */
export const budgets = {
  /** Requests to the store. */
  roundTrips: {
    /** Before the first upstream request of a process, and of a key that it does not know. */
    cold: 2,
    /** Before the upstream request, when memory is current. */
    warm: 1,
    /** Before the upstream request, after an account was edited elsewhere. */
    afterEdit: 2,
    /** Between a failure and the next account. */
    failover: 1,
    /** After the answer. */
    settle: 1,
  },
  /** Commands that a script calls, whatever the number of accounts. */
  commands: {
    admit: 14,
    reassign: 18,
    settle: 13,
  },
  /**
   * Bytes of the request to the store that admits, without the text of the script. With many accounts these
   * are those of the first admission after an edit; others name them by their places (costs.test.ts).
   */
  admitBytes: { with1Account: 700, with200Accounts: 9_900 },
  /** What reading a stream takes for one more delta: JSON texts parsed, and times that its bytes are decoded. */
  perDelta: { jsonTexts: 0, decodedBytesPerByte: 1 },
} as const
