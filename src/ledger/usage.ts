/** What one request consumed, in the vendor's own counts. */

/** Token counts; `inputTokens` excludes the cache counts, as Anthropic reports them. */
export interface Usage {
  inputTokens: number
  outputTokens: number
  /** Written to the cache with a lifetime of five minutes. */
  cacheWrite5mTokens: number
  /** Written to the cache with a lifetime of one hour. */
  cacheWrite1hTokens: number
  cacheReadTokens: number
  webSearchRequests: number
}

export const noUsage: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
  cacheReadTokens: 0,
  webSearchRequests: 0,
}
