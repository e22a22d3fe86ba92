/** An error as an upstream reports it inside of an answer. */

/** The error object in the upstream's own words. */
export interface UpstreamError {
  type?: string | null | undefined
  code?: string | null | undefined
  message?: string | null | undefined
}
