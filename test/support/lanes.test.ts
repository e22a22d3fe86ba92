/** The contract of the lanes: what a run leaves out, what it says about it, and when that is a failure. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { has, leftOut } from './lanes.ts'

afterEach(() => vi.unstubAllEnvs())

const run = (settings: { TEST_LANE: string; PATH?: string; REQUIRE_ALL?: string }) => {
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value)
}

describe('a run', () => {
  it('of the quick lane leaves out all that needs more than Node, and says what runs it', () => {
    run({ TEST_LANE: 'quick', REQUIRE_ALL: 'true' })
    expect([has('redis-server'), has('workerd'), has('processes'), has('long runs')]).toEqual(
      Array(4).fill(false),
    )
    expect(leftOut()).toEqual([
      'Left out: suites that need redis-server, workerd, processes, long runs ' +
        '(`npm run test:all` runs them)',
    ])
  })

  it('of everything leaves out only what the machine lacks, and says what that is', () => {
    run({ TEST_LANE: '', PATH: '', REQUIRE_ALL: '' })
    expect([has('workerd'), has('processes'), has('long runs')]).toEqual(Array(3).fill(true))
    expect(has('redis-server')).toBe(false)
    expect(leftOut()).toEqual([
      'Left out: suites that need redis-server (redis-server is not on the PATH)',
    ])
  })

  it('that requires everything fails where the machine lacks something', () => {
    run({ TEST_LANE: '', PATH: '', REQUIRE_ALL: 'true' })
    expect(() => has('redis-server')).toThrow('redis-server is not on the PATH')
    expect(has('workerd')).toBe(true)
  })
})
