/** How property tests run: a fixed number of runs from a fixed seed, which a failure prints. */
import fc from 'fast-check'

const setting = (name: string): number | undefined => {
  const text = process.env[name]
  if (text === undefined || text === '') return undefined
  const number = Number(text)
  if (!Number.isInteger(number)) throw new Error(`${name} must be a whole number, not ${text}`)
  return number
}

const seed = setting('SEED') ?? 20_261_125
/** Outside `npm test` each property gets so many times its runs. */
const factor = process.env.TEST_LANE === 'quick' ? 1 : 3

/**
 * The parameters of a property test that takes `count` runs in `npm test`; `SEED` and `RUNS` replace
 * the seed and the number of runs.
 */
export function runs(count: number): { seed: number; numRuns: number } {
  return { seed, numRuns: setting('RUNS') ?? count * factor }
}

// For properties that name no parameters of their own.
fc.configureGlobal(runs(100))
