/** Platforms: the kinds of upstream account that the gateway can call. */

export const platforms = ['claude-console', 'codex'] as const
export type Platform = (typeof platforms)[number]
