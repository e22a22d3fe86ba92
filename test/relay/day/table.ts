/** The simulated days as a table, hour by hour. */
import type { Simulated } from './simulate.ts'
import { accountNames } from './world.ts'

const hour = 60 * 60_000

const columns = ['hour', 'requests', 'errors', 'cuts', 'attempts', 'moves', ...accountNames]
const row = (cells: (string | number)[]) =>
  cells.map((cell, i) => String(cell).padStart(i === 0 ? 7 : 9)).join('')

/**
 * Lines to print: requests with their repeats, errors before any content and cuts after it,
 * attempts at accounts, moves of sessions, and the share of the hour in which each account rested.
 */
export function tableOf({ startMs, endMs, seen, attempts, watch }: Simulated): string[] {
  const lines = [row(columns)]
  for (let fromMs = startMs; fromMs < endMs; fromMs += hour) {
    const within = (atMs: number) => atMs >= fromMs && atMs < fromMs + hour
    const asked = seen.filter(({ ask }) => within(ask.atMs))
    const samples = watch.samples.filter(({ atMs }) => within(atMs))
    const share = (name: (typeof accountNames)[number]) => {
      const resting = samples.filter((sample) => sample.resting.has(name)).length
      return resting === 0 ? '' : `${Math.round((100 * resting) / samples.length)} %`
    }
    lines.push(
      row([
        new Date(fromMs).toISOString().slice(8, 13),
        asked.length,
        asked.filter(({ end }) => end === 'refused').length,
        asked.filter(({ end }) => end === 'cut').length,
        attempts.filter(({ startedMs }) => within(startedMs)).length,
        watch.movedAtMs.filter(within).length,
        ...accountNames.map(share),
      ]),
    )
  }
  return lines
}
