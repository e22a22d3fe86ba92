/** How a server ends as a process: on signals at any moment, and when it fails. */
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startChild } from '../support/child.ts'
import { has } from '../support/lanes.ts'

const source = join(import.meta.dirname, '..', '..', 'src')
const runServer = join(source, 'node', 'run-server.ts')

/** Runs a process whose start and end are this text; it prints a line when it is there. */
function run(start: string) {
  const script = `
    import { once } from 'node:events'
    import { runServer } from ${JSON.stringify(runServer)}
    const never = new Promise(() => setInterval(() => {}, 1_000))
    await runServer(${start})`
  const child = startChild(['--input-type=module', '--eval', script], { cwd: tmpdir() })
  onTestFinished(() => void child.process.kill('SIGKILL'))
  const end = async () => {
    const code = await child.exited
    return { code, stdout: child.stdout(), stderr: child.stderr() }
  }
  return { ...child, signal: (name: NodeJS.Signals) => child.process.kill(name), end }
}

describe.runIf(has('processes'))('a server that runs', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'is closed on %s, and the exit code is 0',
    async (name) => {
      const server = run(`async () => {
      setInterval(() => {}, 1_000)
      console.log('running')
      return async () => console.log('closed')
    }`)
      await server.printed(/running/)
      server.signal(name)
      expect(await server.end()).toEqual({ code: 0, stdout: 'running\nclosed\n', stderr: '' })
    },
  )

  it('ends at once on a second signal, with exit code 1', async () => {
    const server = run(`async () => {
      console.log('running')
      return () => { console.log('closing'); return never }
    }`)
    await server.printed(/running/)
    server.signal('SIGTERM')
    await server.printed(/closing/)
    server.signal('SIGTERM')
    expect((await server.end()).code).toBe(1)
  })

  it('prints why it could not be closed, with exit code 1', async () => {
    const server = run(`async () => {
      setInterval(() => {}, 1_000)
      console.log('running')
      return async () => { throw new Error('the disk is full') }
    }`)
    await server.printed(/running/)
    server.signal('SIGTERM')
    expect(await server.end()).toMatchObject({ code: 1, stderr: 'the disk is full\n' })
  })
})

describe.runIf(has('processes'))('a server that starts', () => {
  it('ends its start on SIGTERM, and the exit code is 0', async () => {
    const server = run(`async (stopped) => {
      console.log('starting')
      await Promise.race([never, once(stopped, 'abort')])
      console.log('stopped')
      stopped.throwIfAborted()
    }`)
    await server.printed(/starting/)
    server.signal('SIGTERM')
    expect(await server.end()).toEqual({ code: 0, stdout: 'starting\nstopped\n', stderr: '' })
  })

  it('is closed in order when it starts in spite of a signal', async () => {
    const server = run(`async (stopped) => {
      console.log('starting')
      await Promise.race([never, once(stopped, 'abort')])
      return async () => console.log('closed')
    }`)
    await server.printed(/starting/)
    server.signal('SIGTERM')
    expect(await server.end()).toMatchObject({ code: 0, stdout: 'starting\nclosed\n' })
  })

  it('ends at once on a second signal, with exit code 1', async () => {
    const server = run(`async (stopped) => {
      console.log('starting')
      stopped.addEventListener('abort', () => console.log('told'))
      await never
    }`)
    await server.printed(/starting/)
    server.signal('SIGTERM')
    await server.printed(/told/)
    server.signal('SIGINT')
    expect((await server.end()).code).toBe(1)
  })

  it('prints why it failed, without a stack, with exit code 1', async () => {
    const server = run(`async () => { throw new Error('PORT: must be a number') }`)
    expect(await server.end()).toEqual({ code: 1, stdout: '', stderr: 'PORT: must be a number\n' })
  })
})

it.each(['node.ts', 'tools/bridge.ts'])('%s loads nothing before its handlers are set', (entry) => {
  const text = readFileSync(join(source, entry), 'utf8')
  const imported = [...text.matchAll(/^import .* from '(.+)'$/gm)].map(([, path]) => path)
  expect(imported).toEqual([expect.stringMatching(/node\/run-server\.ts$/)])
  expect(readFileSync(runServer, 'utf8')).not.toMatch(/^import /m)
})
