/** Tells at the end of a run, in the process of the runner, which suites it has left out. */
import type { TestProject } from 'vitest/node'
import { leftOut } from './lanes.ts'

export default function setup({ config }: TestProject): () => void {
  Object.assign(process.env, config.env)
  return () =>
    process.stdout.write(
      leftOut()
        .map((line) => `${line}\n`)
        .join(''),
    )
}
