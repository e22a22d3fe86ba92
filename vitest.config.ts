import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that wait for processes or clocks, longest first: what only computes fills the gaps. */
const waiting = [
  'worker-disconnects',
  'tools.test',
  'hosts/worker.test',
  'process-',
  'global',
  'hosts/',
  'storm',
  'waiting.test',
  'keep-alive',
  'faults',
  'journal',
]

class LongestWaitFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = waiting.findIndex((name) => moduleId.includes(name))
      return index < 0 ? waiting.length : index
    }
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig(({ mode }) => ({
  test: {
    include: ['test/**/*.test.ts'],
    // The mode is how `npm test` names its lane; test/support/lanes.ts says what that means.
    env: { TEST_LANE: mode === 'quick' ? 'quick' : '' },
    globalSetup: 'test/support/announce-lanes.ts',
    setupFiles: 'test/support/property.ts',
    isolate: false,
    maxWorkers: 5,
    sequence: { sequencer: LongestWaitFirst },
    // These only catch what hangs: a busy machine must not fail a test.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000, interval: 10 } },
  },
}))
