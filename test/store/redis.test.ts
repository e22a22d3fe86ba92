/** What the client over an engine makes of the errors that a store answers with. */
import { expect, it } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { createRedis, type Engine } from '../../src/store/redis.ts'

const answering = (error: string) => {
  const request = async () => ({ error })
  return createRedis({ request, close: async () => {} } as unknown as Engine)
}
const thrown = (error: string) =>
  answering(error)
    .get('key')
    .catch((reason: unknown) => reason)

it.each([
  "READONLY You can't write against a read only replica. script: 0f, on @user_script:1.",
  "ERR Error running script (call to f_0f): @user_script:12: @user_script: 12: -READONLY You can't write against a read only replica.",
  "ERR Error running script (call to f_0f): @user_script:1: @user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.",
  'LOADING Redis is loading the dataset in memory',
])(
  'a store that cannot serve now is unavailable, also where a script says so: %s',
  async (error) => {
    const reason = await thrown(error)
    expect(reason).toBeInstanceOf(GatewayError)
    expect(reason).toMatchObject({ code: 'store_unavailable' })
  },
)

it.each([
  'WRONGTYPE Operation against a key holding the wrong kind of value',
  "ERR Error running script (call to f_0f): @user_script:9: user_script:9: attempt to index local 'it' (a nil value)",
])('any other error is about the command: %s', async (error) => {
  const reason = await thrown(error)
  expect(reason).not.toBeInstanceOf(GatewayError)
  expect(String(reason)).toContain('The store refused a command')
})
