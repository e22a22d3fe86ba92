import { describe, expect, it } from 'vitest'
import { platformIds } from '../../src/domain/platform.ts'
import { claudeConsole } from '../../src/platforms/claude-console.ts'
import { createPlatformRegistry } from '../../src/platforms/registry.ts'
import { relayRoutes } from '../../src/relay/routes.ts'

describe('the platforms of the product', () => {
  const registry = createPlatformRegistry()

  it('are one for each platform that an account may have, under its own id', () => {
    for (const id of platformIds) expect(registry.platformOf({ platform: id }).id).toBe(id)
  })

  it('form a pool each, which bears the name of its platform', () => {
    expect(registry.poolIds).toEqual([...platformIds])
    for (const id of platformIds) {
      expect(registry.inPool(id).map((platform) => platform.id)).toEqual([id])
    }
  })

  it('serve every route of the relay from some pool', () => {
    for (const { poolId } of relayRoutes) expect(registry.inPool(poolId)).not.toEqual([])
  })
})

describe('a registry', () => {
  it('finds the platforms that share a pool, and none in a pool that does not exist', () => {
    const other = { ...claudeConsole, id: 'other' }
    const registry = createPlatformRegistry([claudeConsole, other])
    expect(registry.poolIds).toEqual(['claude-console'])
    expect(registry.inPool('claude-console')).toEqual([claudeConsole, other])
    expect(registry.inPool('codex')).toEqual([])
  })

  it('has no answer for a platform that is not registered', () => {
    const registry = createPlatformRegistry([claudeConsole])
    expect(() => registry.platformOf({ platform: 'codex' })).toThrow('No platform "codex"')
  })
})
