/** What stops a script that never ends, never stops allocating, or calls itself too deeply. */

/** Steps that one script may take: iterations, calls and, by their weights, allocations. */
const STEP_LIMIT = 20_000_000
/** Bytes of the longest string. */
const LONGEST_STRING = 64 * 1024 * 1024
/** Calls inside each other of functions that may come back to themselves. */
export const DEEPEST_CALL = 200

/** Weights of what takes more than a step. */
export const steps = {
  command: 200,
  error: 2_000,
  function: 20,
  table: 20,
  item: 2,
  key: 40,
  bytesPerStep: 4,
}

/** The error of a script that exceeds a limit. No `pcall` of the script catches it. */
export class Stopped extends Error {
  constructor() {
    super('script stopped: it exceeded its steps or its memory')
  }
}

/** What is left of the limits. Compiled code counts on the fields themselves. */
export class Budget {
  left = 0
  depth = 0

  begin(): void {
    this.left = STEP_LIMIT
    this.depth = 0
  }

  /** @throws Stopped where no steps are left. */
  charge(count: number): void {
    this.left -= count
    if (this.left < 0) this.stop()
  }

  /** Counts a string of this length, before it is made. @throws Stopped where it must not be. */
  chargeText(length: number): void {
    if (!(length <= LONGEST_STRING)) this.stop()
    this.charge(1 + length / steps.bytesPerStep)
  }

  stop(): never {
    this.left = -1
    throw new Stopped()
  }
}
