/** Platforms: the kinds of upstream account that the gateway can call, and the pools that they form. */

export const platformIds = ['claude-console', 'codex'] as const
export type PlatformId = (typeof platformIds)[number]

/**
 * Names a pool: the accounts among which a route chooses. Today every platform has a pool of its own
 * name; leases, health and load are kept in the store by pool.
 */
export type PoolId = string
