/** Draws what a key asks for, and what the upstream does then. */
import fc from 'fast-check'
import { type Behaviour, json, reset } from '../support/upstream.ts'
import { type Counts, type Ending, operations, type Script } from './books.script.ts'

export const failures = {
  limited: json(429, {}),
  broken: json(500, {}),
  unavailable: json(503, {}),
  overloaded: json(529, {}),
  reset: reset(),
} satisfies Record<string, Behaviour>
type FailureName = keyof typeof failures
const failureNames = Object.keys(failures) as FailureName[]
/** What finds fault with the request itself. */
export const refusal = json(400, {
  error: { type: 'invalid_request_error', message: 'No such tool' },
})

export interface Metered {
  kind: 'metered'
  wantsStream: boolean
  includeUsage: boolean
  failure: FailureName | undefined
  isRefused: boolean
  script: Script
  /** What the other account answers, if it is asked. */
  second: Script
}
export interface Unmetered {
  kind: 'count_tokens' | 'input_tokens' | 'stored'
  failure: FailureName | undefined
}
export type Ask = Metered | Unmetered

export const count = fc.oneof(fc.constant(0), fc.nat(5_000), fc.nat(150_000))
export const drawnCounts: fc.Arbitrary<Counts> = fc.record({
  fresh: count,
  read: count,
  written: count,
  writtenLong: count,
  output: count,
  reasoning: count,
  searches: fc.nat(2),
})
const failure = fc.option(fc.constantFrom(...failureNames), {
  nil: undefined,
  freq: 3,
})

function endingsOf({ operation, isStream }: Script, wantsStream: boolean): Ending[] {
  const isResponses = operation === 'responses' || operation === 'responses_compact'
  const own: Ending[] = isResponses ? ['incomplete', 'failed'] : isStream ? ['withoutLast'] : []
  if (!isStream) return ['complete', 'cutAfter', ...own]
  const broken = ['error', 'cut', 'clean'].flatMap((how) => [`${how}Before`, `${how}After`])
  broken.push('refusedBefore')
  if (isResponses) broken.push('failedBefore')
  if (wantsStream) broken.push('silence')
  return ['complete', ...own, ...(broken as Ending[])]
}

/** What the API can say of such counts. */
function countsOf({ operation }: Script, counts: Counts): Counts {
  if (operation === 'messages') return { ...counts, reasoning: 0 }
  const reasoning = Math.min(counts.reasoning, counts.output)
  return operation === 'chat'
    ? { ...counts, reasoning, writtenLong: 0, searches: 0 }
    : { ...counts, reasoning }
}

const metered: fc.Arbitrary<Metered> = fc
  .record({
    operation: fc.constantFrom(...operations),
    wantsStream: fc.boolean(),
    isOtherForm: fc.integer({ min: 0, max: 4 }).map((drawn) => drawn === 0),
    includeUsage: fc.boolean(),
    failure,
    isRefused: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
    ending: fc.nat(),
    counts: fc.tuple(drawnCounts, drawnCounts),
    deltas: fc.array(fc.stringMatching(/^[a-z ]{1,60}$/), { minLength: 1, maxLength: 4 }),
    isText: fc.boolean(),
    report: fc.constantFrom('both', 'atStart', 'atEnd'),
    pieceBytes: fc.constantFrom(7, 100, 1_000_000),
  })
  .map(({ operation, isOtherForm, ending, counts, ...drawn }) => {
    const isCompact = operation === 'responses_compact'
    const wantsStream = drawn.wantsStream && !isCompact
    const isStream = wantsStream !== (isOtherForm && !isCompact)
    const { deltas, isText, report, pieceBytes } = drawn
    const form = { operation, isStream, deltas: [...deltas, ' END'], isText, report, pieceBytes }
    const script = { ...form, id: 'resp_1', ending: 'complete' as const, counts: counts[0] }
    const endings = endingsOf(script, wantsStream)
    return {
      ...drawn,
      kind: 'metered',
      wantsStream,
      script: {
        ...script,
        ending: endings[ending % endings.length] ?? 'complete',
        counts: countsOf(script, counts[0]),
      },
      second: { ...script, id: 'resp_2', counts: countsOf(script, counts[1]) },
    }
  })

/** What one key asks for, one after the other. */
export const asks: fc.Arbitrary<Ask[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: metered },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom('count_tokens' as const, 'input_tokens' as const, 'stored' as const),
        failure,
      }),
    },
  ),
  { minLength: 1, maxLength: 6 },
)
