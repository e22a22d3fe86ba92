/** Times as the API writes them: RFC 3339 in UTC. */

/** RFC 3339, or null for a time that is not known: undefined, null, 0, or no valid date. */
export function toIso(ms: number | null | undefined): string | null {
  const date = new Date(ms || Number.NaN)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}
