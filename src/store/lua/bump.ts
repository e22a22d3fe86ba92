/** Tells every host that the catalog has changed. */
import { schemaVersion } from '../schema.ts'

/**
 * `bump(keys)`: the pool's version is the store's clock in microseconds, so that a wiped store never
 * repeats one. The format of the store is written beside it.
 */
export const bump = `
local function bump(keys)
  local version = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
  redis.call('HSET', keys.pool, 'version', int(math.max(version, (integer(stored[2]) or 0) + 1)), 'schema', '${schemaVersion}')
end
`
