/** Session affinity: how a request came to its account. */

/**
 * - `none`: the request belongs to no session
 * - `required`: it refers to what one account alone can serve
 * - `started`: the session began on this account
 * - `primary`: the session is on its primary account
 * - `fallback`: it stays on the account that replaced its primary one
 * - `moved`: it has just moved to another account
 * - `returned`: it has just returned to its primary account
 */
export const affinities = [
  'none',
  'required',
  'started',
  'primary',
  'fallback',
  'moved',
  'returned',
] as const
export type Affinity = (typeof affinities)[number]
