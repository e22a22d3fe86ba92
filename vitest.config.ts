import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that wait for processes or clocks, longest first: what only computes fills the gaps. */
const waiting = ['worker-disconnects', 'tools', 'hosts/worker.test', 'process-', 'global', 'hosts/']

class LongestWaitFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = waiting.findIndex((name) => moduleId.includes(name))
      return index < 0 ? waiting.length : index
    }
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    isolate: false,
    maxWorkers: 5,
    sequence: { sequencer: LongestWaitFirst },
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
})
