/** Ways to wait for what a test cannot be told about: none of them is a bound on how long it takes. */
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'

/** Shorter than the time-out of a test, so that a failure says what was waited for. */
const patienceMs = 50_000

/** Repeats `probe` until it passes, and resolves to its result. @throws its last error in the end. */
export async function eventually<T>(probe: () => T | Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + patienceMs
  for (;;) {
    try {
      return await probe()
    } catch (error) {
      if (performance.now() > deadlineMs) throw error
      await delay(20)
    }
  }
}

/** Waits until `holds`. @throws Error with its text in the end. */
export async function until(holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + patienceMs
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error(`never held: ${holds}`)
    await delay(2)
  }
}

/** Lets the event loop turn: what the end of an answer sets off in this process has happened then. */
export async function settled(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await turn()
}
