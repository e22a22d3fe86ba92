/** Fan-out: one observer that hands each event to several. */
import type { Observer } from '../domain/events.ts'

/** One that throws keeps the event from none of the others, and from no request. */
export function fanOut(...observers: Observer[]): Observer {
  return (event) => {
    for (const observe of observers) {
      try {
        observe(event)
      } catch {
        // There is no observer left that it could be reported to.
      }
    }
  }
}
