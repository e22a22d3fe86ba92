/** The part of the Workers runtime that the Worker host uses. */
declare module 'cloudflare:workers' {
  /** Keeps the current request's context alive until `promise` settles. */
  export function waitUntil(promise: Promise<unknown>): void
}
