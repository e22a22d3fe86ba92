import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../src/config.ts'

const hexKey = 'ab'.repeat(32)
const required = { JWT_SECRET: 'j'.repeat(32), ENCRYPTION_KEY: hexKey }

/** The lines of the error, without its heading. */
function faults(env: Record<string, string | undefined>): string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.message
        .split('\n')
        .slice(1)
        .map((line) => line.trim())
    }
    throw error
  }
  return []
}

describe('loadConfig', () => {
  it('needs a JWT secret and an encryption key, and nothing else', () => {
    expect(faults({})).toEqual(['JWT_SECRET: is required', 'ENCRYPTION_KEY: is required'])
    expect(faults(required)).toEqual([])
  })

  it('fills in the defaults', () => {
    expect(loadConfig(required)).toEqual({
      PORT: 3000,
      HOST: '127.0.0.1',
      DATA_DIR: './data',
      ADMIN_USERNAME: 'admin',
      JWT_SECRET: required.JWT_SECRET,
      ENCRYPTION_KEY: new Uint8Array(32).fill(0xab),
      KEY_PREFIX: 'crs:',
      API_KEY_PREFIX: 'cr_',
      TIMEZONE: 'UTC',
      LOG_LEVEL: 'info',
      ALLOW_PRIVATE_UPSTREAMS: false,
      ALLOW_PRIVATE_PROXIES: false,
      CORS_ORIGINS: [],
      TRUST_PROXY_HEADER: false,
      RESPONSES_WEBSOCKET: true,
      BODY_LIMIT_BYTES: 33_554_432,
      BODY_MEMORY_BYTES: 268_435_456,
      STORE_TIMEOUT_MS: 5_000,
      UPSTREAM_CONNECT_TIMEOUT_SECONDS: 10,
      UPSTREAM_JSON_TIMEOUT_SECONDS: 600,
      UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: 60,
      UPSTREAM_IDLE_TIMEOUT_SECONDS: 120,
      STREAM_KEEPALIVE_SECONDS: 20,
      ACCOUNT_WAIT_SECONDS: 10,
      SOLE_ACCOUNT_RETRY_SECONDS: 30,
      CONCURRENCY_WAIT_SECONDS: 45,
      STREAM_CONCURRENCY_WAIT_SECONDS: 240,
      REQUEST_DEADLINE_SECONDS: 900,
      SESSION_RETURN_SECONDS: 300,
      RESERVATION_OUTPUT_TOKENS: 4_096,
      UNPRICED_MODELS: 'refuse',
      LEASE_SECONDS: 900,
      DRAIN_TIMEOUT_SECONDS: 30,
      KEEP_ALIVE_SECONDS: 75,
    })
  })

  it('reads numbers, switches and time zones', () => {
    const env = { PORT: '0', ALLOW_PRIVATE_UPSTREAMS: 'true', TIMEZONE: 'Asia/Shanghai' }
    expect(loadConfig({ ...required, ...env })).toMatchObject({
      PORT: 0,
      ALLOW_PRIVATE_UPSTREAMS: true,
      TIMEZONE: 'Asia/Shanghai',
    })
  })

  it('ignores variables that it does not know', () => {
    expect(loadConfig({ ...required, PATH: '/bin' })).not.toHaveProperty('PATH')
  })

  it.each(['', '  ', undefined])('takes "%s" for absent', (blank) => {
    const config = loadConfig({ ...required, PORT: blank, REDIS_URL: blank, ADMIN_PASSWORD: blank })
    expect(config).toMatchObject({ PORT: 3000 })
    expect(config.REDIS_URL).toBeUndefined()
    expect(config.ADMIN_PASSWORD).toBeUndefined()
  })

  it('names every fault at once and never a value', () => {
    const secret = 'secret value'
    const wrong = {
      PORT: secret,
      REDIS_URL: secret,
      UPSTASH_REDIS_REST_URL: secret,
      KEY_PREFIX: secret,
      API_KEY_PREFIX: secret,
      TIMEZONE: secret,
      LOG_LEVEL: secret,
      ALLOW_PRIVATE_UPSTREAMS: secret,
      BODY_LIMIT_BYTES: secret,
      JWT_SECRET: secret,
      ENCRYPTION_KEY: secret,
      ADMIN_PASSWORD: secret.slice(0, 7),
    }
    const found = faults(wrong)
    const names = found.map((fault) => fault.slice(0, fault.indexOf(':')))
    expect(names.sort()).toEqual([...Object.keys(wrong), 'UPSTASH_REDIS_REST_TOKEN'].sort())
    expect(found.join()).not.toContain('secret v')
  })

  it.each([
    ['PORT', '-1', 'must be at least 0'],
    ['PORT', '65536', 'must be at most 65535'],
    ['PORT', '80.5', 'must be a whole number'],
    ['PORT', 'http', 'must be a number'],
    ['BODY_LIMIT_BYTES', '1023', 'must be at least 1024'],
    ['STORE_TIMEOUT_MS', '49', 'must be at least 50'],
    ['JWT_SECRET', 'short', 'must have at least 32 characters'],
    ['ADMIN_PASSWORD', '12345678901', 'must have at least 12 characters'],
    ['REDIS_URL', 'http://127.0.0.1', 'must be a URL like redis://127.0.0.1:6379'],
    ['TIMEZONE', 'Mars/Base', 'must be an IANA time zone such as Europe/Berlin'],
    ['API_KEY_PREFIX', 'a-b', 'must be 1 to 16 letters, digits or _'],
  ])('says what is wrong with %s=%s', (name, value, fault) => {
    expect(faults({ ...required, [name]: value })).toEqual([`${name}: ${fault}`])
  })

  it.each([
    ['#', 'redis://:pass#word@127.0.0.1'],
    ['#', 'redis://user:12#word@127.0.0.1'],
    ['/', 'redis://user:12/word@127.0.0.1'],
    ['?', 'redis://user:12?word@127.0.0.1:6379/0'],
    ['%', 'redis://:50%word@127.0.0.1:6379/0'],
  ])('refuses a bare %s in the password of REDIS_URL, and prints nothing of it', (_, url) => {
    const found = faults({ ...required, REDIS_URL: url })
    expect(found.at(-1)).toMatch(/^REDIS_URL: must not contain .* in a password; write %/)
    expect(found.join()).not.toMatch(/word@|pass#|user/)
  })

  it('takes a password in which they are encoded', () => {
    const REDIS_URL = 'redis://:a%23b%25c%2Fd%3Fe@127.0.0.1:6379/2'
    expect(loadConfig({ ...required, REDIS_URL }).REDIS_URL).toBe(REDIS_URL)
  })

  it.each(['/x', '/-1', '/1.5', '/0/1', '?db=x'])('refuses the database %s of REDIS_URL', (end) => {
    const found = faults({ ...required, REDIS_URL: `redis://:secret@127.0.0.1:6379${end}` })
    expect(found).toEqual([
      expect.stringMatching(/^REDIS_URL: must end in the number of a database/),
    ])
    expect(found.join()).not.toContain('secret')
  })

  it.each(['', '/', '/0', '/15', '?family=6', '?db=2'])('takes the database %s of it', (end) => {
    expect(faults({ ...required, REDIS_URL: `redis://127.0.0.1:6379${end}` })).toEqual([])
  })

  it('wants address and token of the REST store together', () => {
    const url = { UPSTASH_REDIS_REST_URL: 'https://name.upstash.io' }
    const token = { UPSTASH_REDIS_REST_TOKEN: 'token' }
    expect(faults({ ...required, ...url })).toHaveLength(1)
    expect(faults({ ...required, ...token })).toHaveLength(1)
    expect(faults({ ...required, ...url, ...token })).toEqual([])
    expect(faults({ ...url })).toHaveLength(3)
  })
})

describe('ENCRYPTION_KEY', () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => 255 - i * 7)
  const base64 = btoa(String.fromCharCode(...bytes))
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

  it.each([
    ['hexadecimal', hex],
    ['upper-case hexadecimal', hex.toUpperCase()],
    ['base64', base64],
    ['base64 without padding', base64.replace('=', '')],
    ['base64url', base64.replaceAll('+', '-').replaceAll('/', '_')],
  ])('may be written as %s', (_, text) => {
    expect(loadConfig({ ...required, ENCRYPTION_KEY: text }).ENCRYPTION_KEY).toEqual(bytes)
  })

  it.each([
    ['31 bytes in hexadecimal', 'ab'.repeat(31)],
    ['33 bytes in base64', 'A'.repeat(44)],
    ['32 plain characters', 'p'.repeat(32)],
    ['text outside both alphabets', '!'.repeat(43)],
  ])('may not be %s', (_, text) => {
    expect(faults({ ...required, ENCRYPTION_KEY: text })).toEqual([
      'ENCRYPTION_KEY: must be 32 bytes, written as 64 hexadecimal digits or as base64',
    ])
  })
})
