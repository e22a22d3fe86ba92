import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestGateway, read, type TestGateway } from '../support/gateway.ts'

let test: TestGateway
beforeAll(() => {
  test = createTestGateway()
})
afterAll(() => test.close())

it('the description of the API is valid OpenAPI 3.1 by the published schema', async () => {
  const { json } = await read(await test.app.request('/openapi.json'))
  const validator = new Validator()
  const result = await validator.validate(json)
  expect(result.errors ?? []).toEqual([])
  expect(result.valid).toBe(true)
  expect(validator.version).toBe('3.1')
})
