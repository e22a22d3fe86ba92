import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const check = join(root, 'src', 'tools', 'check-node.cjs')

/** Runs the check as if it ran on another version of Node. */
const on = (version: string) =>
  spawnSync(
    process.execPath,
    [
      '--eval',
      `Object.defineProperty(process.versions, 'node', { value: '${version}' })
      Object.defineProperty(process, 'version', { value: 'v${version}' })
      require(${JSON.stringify(check)})`,
    ],
    { encoding: 'utf8' },
  )

it.each(['18.20.1', '20.20.2', '22.17.9'])('Node %s is told which one is needed', (version) => {
  const { status, stderr } = on(version)
  expect(status).toBe(1)
  expect(stderr).toBe(`Node 22.18 or newer is needed, this is v${version}\n`)
})

it.each(['22.18.0', '24.0.0'])('Node %s passes', (version) => {
  expect(on(version)).toMatchObject({ status: 0, stdout: '', stderr: '' })
})

it('runs on this Node without a word, and before every script that runs a server or a tool', () => {
  expect(execFileSync(process.execPath, [check], { encoding: 'utf8' })).toBe('')
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const name of ['start', 'dev', 'bridge', 'build', 'demo']) {
    expect(scripts[`pre${name}`]).toBe('node src/tools/check-node.cjs')
  }
})
