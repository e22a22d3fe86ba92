/** Wake-ups: of the requests of one gateway key that sleep in this process, the first is woken when it may go on. */
import type { Timers } from './clock.ts'

/** One that sleeps now and then until it may go on. */
export interface Sleeper {
  /** Resolves after `delayMs`, when `signal` is aborted, or as soon as it is woken. */
  sleep(timers: Timers, delayMs: number, signal: AbortSignal): Promise<void>
  /** To be called once, at the end; a wake-up that came too late for it goes to the next one. */
  leave(): void
}

export interface WakeUps {
  /** Adds one behind those of `keyId` that are there. */
  enter(keyId: string): Sleeper
  /** Wakes the first of `keyId` that was not woken yet; one that is awake does not sleep the next time. */
  wake(keyId: string): void
}

interface Entry {
  isWoken: boolean
  end(): void
}

export function createWakeUps(): WakeUps {
  const entries = new Map<string, Set<Entry>>()

  const wake = (keyId: string) => {
    for (const entry of entries.get(keyId) ?? []) {
      if (entry.isWoken) continue
      entry.isWoken = true
      return entry.end()
    }
  }

  const enter = (keyId: string): Sleeper => {
    const entry: Entry = { isWoken: false, end: () => {} }
    const ofKey = entries.get(keyId) ?? new Set()
    entries.set(keyId, ofKey.add(entry))
    return {
      async sleep(timers, delayMs, signal) {
        if (!entry.isWoken && !signal.aborted) await pause(entry, timers, delayMs, signal)
        entry.isWoken = false
      },
      leave() {
        ofKey.delete(entry)
        if (ofKey.size === 0) entries.delete(keyId)
        if (entry.isWoken) wake(keyId)
      },
    }
  }

  return { enter, wake }
}

/** In workerd a timer belongs to the request that has set it: who wakes another must not touch its timer. */
async function pause(
  entry: Entry,
  { setTimer }: Timers,
  delayMs: number,
  signal: AbortSignal,
): Promise<void> {
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  entry.end = end
  const timer = setTimer(end, delayMs)
  signal.addEventListener('abort', end)
  await ended
  timer.clear()
  signal.removeEventListener('abort', end)
  entry.end = () => {}
}
