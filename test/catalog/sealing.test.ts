import { expect, it } from 'vitest'
import { ensureSealingKey } from '../../src/catalog/sealing.ts'
import { GatewayError } from '../../src/errors.ts'
import { createTestGateway, testConfig } from '../support/gateway.ts'

const otherKey = { ENCRYPTION_KEY: 'c3'.repeat(32) }

it('a store belongs to the first ENCRYPTION_KEY, and takes it again', async () => {
  const test = createTestGateway()
  await ensureSealingKey(test.gateway)
  await ensureSealingKey(test.gateway)
  const claimed = await test.runtime.redis.get(test.gateway.keyspace.sealingKey)
  expect(claimed).toBe(test.gateway.sealer.keyId)
  await test.close()
})

it('a store refuses another ENCRYPTION_KEY and names both by their ids, never by their value', async () => {
  const test = createTestGateway()
  await ensureSealingKey(test.gateway)
  const other = createTestGateway({ engine: test.engine, config: otherKey })
  const fault = await ensureSealingKey(other.gateway).catch((error: unknown) => error)
  expect(fault).toBeInstanceOf(GatewayError)
  const { message } = fault as GatewayError
  expect(message).toMatch(/^ENCRYPTION_KEY: /)
  expect(message).toContain(test.gateway.sealer.keyId)
  expect(message).toContain(other.gateway.sealer.keyId)
  for (const value of [testConfig.ENCRYPTION_KEY, otherKey.ENCRYPTION_KEY]) {
    expect(message).not.toContain(value)
  }
  await ensureSealingKey(test.gateway)
  await other.close()
  await test.close()
})

it('of two gateways that start at once with different keys, one gets the store', async () => {
  const test = createTestGateway()
  const other = createTestGateway({ engine: test.engine, config: otherKey })
  const outcomes = await Promise.allSettled(
    [test, other].map(({ gateway }) => ensureSealingKey(gateway)),
  )
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  await other.close()
  await test.close()
})
