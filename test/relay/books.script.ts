/** What a drawn upstream is told to answer. */

/** What an upstream counts for one answer. */
export interface Counts {
  /** Input that neither came from the cache nor went there. */
  fresh: number
  read: number
  /** Written for the shorter and for the longer lifetime that the vendor has. */
  written: number
  writtenLong: number
  output: number
  /** Of Responses and Chat Completions: part of the output. */
  reasoning: number
  searches: number
}

export const operations = ['messages', 'responses', 'responses_compact', 'chat'] as const
export type Operation = (typeof operations)[number]

/** How an answer ends; `Before` and `After` are before its first content, and after its last. */
export type Ending =
  | 'complete'
  | 'incomplete'
  | 'failed'
  | 'failedBefore'
  /** All but the last event, and a clean end. */
  | 'withoutLast'
  | 'errorBefore'
  /** An error that finds fault with the request itself. */
  | 'refusedBefore'
  | 'errorAfter'
  | 'cutBefore'
  | 'cutAfter'
  | 'cleanBefore'
  | 'cleanAfter'
  /** After its last content there is silence until the client leaves. */
  | 'silence'

export interface Script {
  operation: Operation
  isStream: boolean
  ending: Ending
  counts: Counts
  deltas: string[]
  /** Counts as strings, as some relays write them. */
  isText: boolean
  /** Of a stream: where the input is counted besides its end, or whether the end leaves it out. */
  report: 'both' | 'atStart' | 'atEnd'
  /** Of the bytes of a stream, so many in one piece. */
  pieceBytes: number
  id: string
}
