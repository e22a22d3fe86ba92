import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../src/config.ts'
import { readEnvironment, readGatewayEnvironment } from '../../../src/node/settings/environment.ts'

let here: string
let beside: string
beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), 'settings-'))
  here = join(directory, 'here')
  beside = join(directory, 'beside')
  for (const each of [here, beside]) mkdirSync(each)
})
afterEach(() => rmSync(join(here, '..'), { recursive: true, force: true }))

const write = (text: string | Uint8Array, directory = here) =>
  writeFileSync(join(directory, '.dev.vars'), text)
const read = (environment: Record<string, string> = {}) =>
  readEnvironment(environment, [here, beside])

describe('the settings file', () => {
  it('gives settings, and the environment wins', () => {
    write('PORT=1\nHOST=0.0.0.0\nTIMEZONE=\n')
    expect(read({ PORT: '2', LOG_LEVEL: ' ' })).toEqual({
      given: { PORT: '2', HOST: '0.0.0.0' },
      questions: [],
    })
  })

  it('may be missing', () => {
    expect(read()).toEqual({ given: {}, questions: [] })
  })

  it('is read from beside package.json where the working directory has none', () => {
    write('PORT=1', beside)
    expect(read()).toEqual({ given: { PORT: '1' }, questions: [] })
  })

  it('of the working directory counts alone, and the other one is asked about', () => {
    write('PORT=1', here)
    write('PORT=2\nHOST=0.0.0.0', beside)
    const { given, questions } = read()
    expect(given).toEqual({ PORT: '1' })
    expect(questions).toMatchObject([{ setting: '.dev.vars' }])
  })

  it('of the working directory may be empty, so that nothing is read', () => {
    write('', here)
    write('PORT=2', beside)
    expect(read().given).toEqual({})
  })

  it('may begin with a byte order mark: its first setting counts', () => {
    const fixture = join(import.meta.dirname, '../../fixtures/cases/F16-bom.dev.vars')
    copyFileSync(fixture, join(here, '.dev.vars'))
    const { given } = readGatewayEnvironment({ DATA_DIR: join(here, 'data') }, [here, beside])
    expect(given.TIMEZONE).toBe('Mars/Base')
    expect(() => loadConfig(given)).toThrow('TIMEZONE: must be an IANA time zone')
  })

  it.each(['utf16le', 'utf16be'] as const)('may be in %s with a byte order mark', (encoding) => {
    const bytes = Buffer.from('\ufeffPORT=1\r\nHOST=::1\r\n', 'utf16le')
    write(encoding === 'utf16le' ? bytes : bytes.swap16())
    expect(read()).toEqual({ given: { PORT: '1', HOST: '::1' }, questions: [] })
  })

  it('tells of a line that sets nothing, by its number, and reads all others', () => {
    write(
      '# one\nHOST=::1\n\nhunter2 rest of a value\nPORT=1\n=secret\nLOG LEVEL=debug\n  export TIMEZONE=UTC\n',
    )
    const { given, questions } = read()
    expect(given).toEqual({ HOST: '::1', PORT: '1', TIMEZONE: 'UTC' })
    expect(questions).toEqual(
      [4, 6, 7].map((line) => ({
        setting: '.dev.vars',
        message: `Line ${line} sets nothing: a setting is written NAME=value, a comment begins with #`,
      })),
    )
  })

  it('tells of a name that is set twice: the last value counts', () => {
    write('PORT=1\nHOST=::1\nPORT=2\n')
    const { given, questions } = read()
    expect(given).toEqual({ PORT: '2', HOST: '::1' })
    expect(questions).toMatchObject([{ setting: 'PORT' }])
  })

  it.each(['"', "'", '`'])(
    'has values of several lines in %s, of which none is a mistake',
    (quote) => {
      write(`ADMIN_PASSWORD=${quote}first\nPORT=9\n\nlast${quote} # of four\nPORT=1\n`)
      expect(read()).toEqual({
        given: { ADMIN_PASSWORD: 'first\nPORT=9\n\nlast', PORT: '1' },
        questions: [],
      })
    },
  )

  it('may leave a quote open: then the value ends with its line', () => {
    write('ADMIN_PASSWORD="open\nPORT=1\n')
    expect(read().given).toEqual({ ADMIN_PASSWORD: '"open', PORT: '1' })
  })

  it.each([
    ['in UTF-16 without a byte order mark', Buffer.from('PORT=1\n', 'utf16le')],
    ['in another encoding', Buffer.from('ADMIN_PASSWORD=grün\n', 'latin1')],
  ])('is refused %s', (_, bytes) => {
    write(bytes)
    expect(() => read()).toThrow(/^\.dev\.vars: is not text in UTF-8/)
  })

  it.each(['abc#secret-end', 'abc#'])('is refused where a # would cut off a value: %s', (value) => {
    write(`PORT=1\nADMIN_PASSWORD=${value}\n`)
    expect(() => read()).toThrow(/^ADMIN_PASSWORD: .* contains a #.* quotes$/)
    expect(() => read()).not.toThrow(/abc|secret/)
  })

  it('may have a # in quotes, and comments', () => {
    write(
      '# PORT=9#9\nADMIN_PASSWORD="a#b"\nHOST=\'c#d\' # said\nPORT=1 # one\nKEY_PREFIX=#none\nJWT_SECRET="x\nA=b#c"\n',
    )
    const { given } = read()
    expect(given).toMatchObject({ ADMIN_PASSWORD: 'a#b', HOST: 'c#d', PORT: '1' })
  })

  it('is asked about for each name in it that is no setting', () => {
    write('REDIS_URI=redis://x\nADMIN_PASS=secret\nBRIDGE_PORT=1\nFAVOURITE=tea\nconstructor=x\n')
    const { questions } = read()
    expect(questions.map(({ setting }) => setting)).toEqual([
      'ADMIN_PASS',
      'FAVOURITE',
      'REDIS_URI',
      'constructor',
    ])
    expect(questions.map(({ message }) => /(\w+) may be meant/.exec(message)?.[1])).toEqual([
      'ADMIN_PASSWORD',
      undefined,
      'REDIS_URL',
      undefined,
    ])
    expect(JSON.stringify(questions)).not.toMatch(/secret|tea/)
  })
})

describe('the environment', () => {
  it('is asked about for a name that is nearly a setting, never for the names of others', () => {
    const others = {
      PATH: '/bin',
      HOSTNAME: 'box',
      HOME: '/root',
      PORTS: 'x'.repeat(10),
      TZ: 'UTC',
      REDIS_PORT: 'tcp://10.0.0.1:6379',
      DATABASE_URL: 'postgres://x',
      XDG_DATA_DIRS: '/usr/share',
      ['X'.repeat(10_000)]: 'x',
    }
    const near = { REDIS_URI: 'x', ADMIN_PASS: 'x', TIME_ZONE: 'x', log_level: 'x' }
    expect(read({ ...others, ...near }).questions.map(({ setting }) => setting)).toEqual(
      expect.arrayContaining(Object.keys(near)),
    )
    const { PORTS, ...unrelated } = others
    expect(read(unrelated).questions).toEqual([])
  })

  it('is not asked about where the setting itself is given too', () => {
    expect(read({ REDIS_HOST: 'x', REDIS_URL: 'redis://x' }).questions).toEqual([])
  })
})

it('a .env beside it is asked about, as it is not read', () => {
  writeFileSync(join(here, '.env'), 'PORT=1')
  const { given, questions } = read()
  expect(given).toEqual({})
  expect(questions).toMatchObject([{ setting: '.env' }])
})
