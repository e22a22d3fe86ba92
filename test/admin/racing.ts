/** A gateway that others always overtake: the record changes before each script it runs. */
import { createTestGateway, type TestGateway } from '../support/gateway.ts'

/** A second gateway on the store of `test`; `overtake` runs before each of its first `times` scripts. */
export function racingGateway(
  test: TestGateway,
  overtake: () => Promise<unknown>,
  times = Number.POSITIVE_INFINITY,
): TestGateway {
  let left = times
  return createTestGateway({
    now: test.runtime.now,
    engine: {
      ...test.engine,
      async request(request) {
        const [name] = request.body as unknown[]
        if (String(name).startsWith('eval') && left-- > 0) await overtake()
        return test.engine.request(request)
      },
    },
  })
}
