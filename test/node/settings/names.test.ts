import fc from 'fast-check'
import { expect, it } from 'vitest'
import { settingNames } from '../../../src/config.ts'
import { nearestSetting } from '../../../src/node/settings/names.ts'
import { runs } from '../../support/property.ts'

const nearest = (name: string) => nearestSetting(name, settingNames)

it.each([
  ['REDIS_URI', 'REDIS_URL'],
  ['ADMIN_PASS', 'ADMIN_PASSWORD'],
  ['redis_url', 'REDIS_URL'],
  ['LOG-LEVEL', 'LOG_LEVEL'],
  ['PROT', 'PORT'],
  ['ENCRYPTION_KEYS', 'ENCRYPTION_KEY'],
  ['TRUST_PROXY', 'TRUST_PROXY_HEADER'],
  ['UPSTASH_REDIS_URL', 'UPSTASH_REDIS_REST_URL'],
  ['UPSTREAM_IDLE_TIMOUT_SECOND', 'UPSTREAM_IDLE_TIMEOUT_SECONDS'],
])('%s is near %s', (name, setting) => {
  expect(nearest(name)).toBe(setting)
})

it.each(['PATH', 'TZ', 'HOSTNAME', 'constructor', '', 'X'.repeat(1_000_000)])(
  'a name of others is near none (%#)',
  (name) => {
    expect(nearest(name)).toBeUndefined()
  },
)

it('each setting with one letter more, fewer, changed or swapped is near a setting', () => {
  const letter = fc.constantFrom(...'ABCXYZ_')
  fc.assert(
    fc.property(
      fc.constantFrom(...settingNames),
      fc.nat(),
      letter,
      fc.nat(3),
      (name, at, x, how) => {
        const index = at % (name.length - 1)
        const [head, tail] = [name.slice(0, index), name.slice(index)]
        const swapped = `${head}${tail[1]}${tail[0]}${tail.slice(2)}`
        const edits = [
          `${head}${x}${tail}`,
          head + tail.slice(1),
          head + x + tail.slice(1),
          swapped,
        ]
        const edited = edits[how] ?? ''
        fc.pre(edited.length >= 4)
        expect(nearest(edited)).toBeDefined()
      },
    ),
    runs(500),
  )
})
