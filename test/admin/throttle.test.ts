import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withoutPort } from '../../src/admin/session/client-address.ts'
import { networksOf, throttled } from '../../src/admin/session/throttle.ts'
import { GatewayError } from '../../src/errors.ts'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import type { Engine } from '../../src/store/redis.ts'
import {
  createTestAdmin,
  createTestGateway,
  read,
  type TestGatewayOptions,
  testConfig,
} from '../support/gateway.ts'
import { rememberScrypt } from '../support/scrypt.ts'

const password = testConfig.ADMIN_PASSWORD

// What is counted here is guesses; what each of them costs is a contract of the passwords.
let forget = () => {}
beforeAll(() => {
  forget = rememberScrypt()
})
afterAll(() => forget())

/** A gateway whose clock and whose callers' address the test sets. */
function setup(options: TestGatewayOptions = {}) {
  const world = { nowMs: Date.UTC(2026, 10, 22, 10, 20), address: '192.0.2.1' }
  const now = () => world.nowMs
  const test = createTestGateway({ now, clientAddress: () => world.address, ...options })
  const login = async (username: string, given: string, headers: Record<string, string> = {}) =>
    read(
      await test.app.request('/api/v2/auth/admin/login', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ username, password: given }),
      }),
    )
  /** Fails until it has to wait; resolves to how often it could. */
  const failUntilThrottled = async (username: string) => {
    for (let count = 0; count < 20; count++) {
      if ((await login(username, 'wrong')).status === 429) return count
    }
    return 20
  }
  return { ...test, test, world, login, failUntilThrottled }
}

describe('failed logins', () => {
  it('are free five times, then cost a wait that doubles up to fifteen minutes', async () => {
    const { login, world, failUntilThrottled, close } = setup()
    expect(await failUntilThrottled('admin')).toBe(5)
    const waits: number[] = []
    for (let count = 0; count < 12; count++) {
      const { status, json, headers } = await login('admin', 'wrong')
      const seconds = Number(headers.get('retry-after'))
      expect([status, json.error.code]).toEqual([429, 'too_many_logins'])
      expect(json.error.message).toMatch(seconds === 1 ? / 1 second$/ : ` ${seconds} seconds`)
      waits.push(seconds)
      world.nowMs += seconds * 1000 - 1
      expect((await login('admin', 'wrong')).status).toBe(429)
      world.nowMs += 1
      expect((await login('admin', 'wrong')).status).toBe(401)
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900])
    await close()
  })

  it.each(['gateway_busy', 'store_unavailable', undefined] as const)(
    'are not those that told nothing of the password: %s',
    async (code) => {
      const { gateway, failUntilThrottled, close } = setup()
      const caller = { username: 'admin', address: '192.0.2.1' }
      const fault = code ? new GatewayError(code, 'not now') : new TypeError('a mistake')
      for (let count = 0; count < 10; count++) {
        await expect(throttled(gateway, caller, () => Promise.reject(fault))).rejects.toBe(fault)
      }
      expect(await failUntilThrottled('admin')).toBe(5)
      await close()
    },
  )

  it('make even the right password wait, and are forgotten by a login', async () => {
    const { login, world, failUntilThrottled, close } = setup()
    await failUntilThrottled('admin')
    expect((await login('admin', password)).status).toBe(429)
    world.nowMs += 1_000
    expect((await login('admin', password)).status).toBe(200)
    world.address = '192.0.2.2'
    expect(await failUntilThrottled('admin')).toBe(5)
    await close()
  })

  it('are forgotten after an hour without one, but not before the longest wait is over', async () => {
    const { world, failUntilThrottled, close } = setup()
    await failUntilThrottled('admin')
    world.nowMs += 59 * 60_000
    expect(await failUntilThrottled('admin')).toBe(1)
    world.nowMs += 60 * 60_000 + 1
    expect(await failUntilThrottled('admin')).toBe(5)
    await close()
  })

  it('throttle a name that does not exist exactly as one that does', async () => {
    const { login, failUntilThrottled, world, close } = setup()
    const texts: string[] = []
    for (const [index, name] of ['admin', 'nobody', 'a:b', '\ud800'].entries()) {
      world.address = `192.0.2.${index}`
      expect(await failUntilThrottled(name)).toBe(5)
      texts.push((await login(name, 'wrong')).text)
    }
    expect(new Set(texts).size).toBe(1)
    await close()
  })

  it('count for the address over all names, and for no other address', async () => {
    const { login, world, close } = setup()
    for (let count = 0; count < 5; count++) {
      expect((await login(`name ${count}`, 'wrong')).status).toBe(401)
    }
    expect((await login('admin', password)).status).toBe(429)
    world.address = '192.0.2.2'
    expect((await login('admin', password)).status).toBe(200)
    await close()
  })

  it('of an address still count after another name has logged in from there', async () => {
    const { login, close } = setup()
    for (let count = 0; count < 4; count++) await login(`name ${count}`, 'wrong')
    expect((await login('admin', password)).status).toBe(200)
    expect((await login('name 5', 'wrong')).status).toBe(401)
    expect((await login('name 6', 'wrong')).status).toBe(429)
    await close()
  })

  it('cannot be made in parallel beyond what one after the other could', async () => {
    const { login, close } = setup()
    const answers = await Promise.all(Array.from({ length: 40 }, () => login('admin', 'wrong')))
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5)
    await close()
  })

  it('of changing the password count as well', async () => {
    const { test, login, close } = setup()
    expect((await login('admin', password)).status).toBe(200)
    const admin = createTestAdmin(test)
    const body = { currentPassword: 'wrong', newPassword: 'a password of another kind' }
    const statuses: number[] = []
    for (let count = 0; count < 6; count++) {
      statuses.push((await admin.call('POST', '/auth/change-password', body)).status)
    }
    expect(statuses).toEqual([400, 400, 400, 400, 400, 429])
    await close()
  })

  it('are kept under digests: neither a name nor an address appears in a key', async () => {
    const store = createEmbeddedEngine({ path: ':memory:' })
    const commands: string[] = []
    const request: Engine['request'] = (sent) => {
      commands.push(JSON.stringify(sent.body))
      return store.request(sent)
    }
    const { login, close } = setup({ engine: { ...store, request } })
    await login('a:b*', 'wrong')
    const counting = commands.filter((command) => command.includes('failed-logins'))
    expect(counting.length).toBeGreaterThan(0)
    for (const command of counting) {
      expect(command).toMatch(/"crs:failed-logins:name:[0-9a-f]{32}"/)
      expect(command).toMatch(/"crs:failed-logins:address:[0-9a-f]{32}"/)
      expect(command).not.toMatch(/a:b|192\.0/)
    }
    await close()
    await store.close()
  })
})

describe('the address of a caller', () => {
  const forwarded = (last: string) => ({ 'x-forwarded-for': `203.0.113.9, ${last}` })

  it('is never taken from x-forwarded-for', async () => {
    const { login, close } = setup()
    for (let count = 0; count < 5; count++) await login(`n${count}`, 'wrong', forwarded(`${count}`))
    expect((await login('admin', password, forwarded('198.51.100.1'))).status).toBe(429)
    await close()
  })

  it('is its last entry with TRUST_PROXY_HEADER, whatever the client put before it', async () => {
    const { login, close } = setup({ config: { TRUST_PROXY_HEADER: 'true' } })
    for (let count = 0; count < 5; count++) {
      const headers = { 'x-forwarded-for': `203.0.113.${count}, 198.51.100.1` }
      await login(`n${count}`, 'wrong', headers)
    }
    expect((await login('admin', password, forwarded('198.51.100.1'))).status).toBe(429)
    expect((await login('admin', password, forwarded('198.51.100.2'))).status).toBe(200)
    await close()
  })

  it.each([
    ['192.0.2.1', '192.0.2.1', undefined],
    ['::ffff:192.0.2.1', '192.0.2.1', undefined],
    ['2001:db8:1:2:3:4:5:6', '8193:3512:1:2', '8193:3512:1'],
    ['2001:db8:1:2::', '8193:3512:1:2', '8193:3512:1'],
    ['unknown', 'unknown', undefined],
  ])('%s counts as %s, and as %s', (address, network, site) => {
    expect(networksOf(address)).toEqual(site ? { network, site } : { network })
  })

  it.each([
    ['192.0.2.1:5678', '192.0.2.1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:db8::1:443', '2001:db8::1:443'],
    ['192.0.2.1', '192.0.2.1'],
    ['', ''],
    ['[', '['],
  ])('%s is %s without its port', (given, address) => {
    expect(withoutPort(given)).toBe(address)
  })

  it('forwarded with another port is the same one', async () => {
    const { login, close } = setup({ config: { TRUST_PROXY_HEADER: 'true' } })
    for (let count = 0; count < 5; count++) {
      await login(`n${count}`, 'wrong', forwarded(`198.51.100.1:${5000 + count}`))
    }
    expect((await login('admin', password, forwarded('198.51.100.1'))).status).toBe(429)
    await close()
  })

  it('of IPv6 counts for its /64 after five failures, and for its /48 after twenty', async () => {
    const { login, world, close } = setup()
    const from = (network: number, host: number) => `2001:db8:1:${network}::${host}`
    for (let count = 0; count < 5; count++) {
      world.address = from(0, count)
      await login(`n${count}`, 'wrong')
    }
    world.address = from(0, 9)
    expect((await login('n9', 'wrong')).status).toBe(429)
    for (let count = 5; count < 20; count++) {
      world.address = from(count, 1)
      expect((await login(`n${count}`, 'wrong')).status).toBe(401)
    }
    world.address = from(99, 1)
    expect((await login('admin', password)).status).toBe(429)
    world.address = '2001:db8:2::1'
    expect((await login('admin', password)).status).toBe(200)
    await close()
  })
})
