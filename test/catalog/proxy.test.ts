import { describe, expect, it } from 'vitest'
import { ProxyInput } from '../../src/catalog/account.ts'
import { openProxy, sealProxy, shownProxy } from '../../src/catalog/proxy.ts'
import { createSealer, SealError } from '../../src/crypto.ts'

const sealer = createSealer(new Uint8Array(32).fill(1))
const other = createSealer(new Uint8Array(32).fill(2))
const auth = { username: 'gateway', password: 'pässword: with a colon ' }
const place = { protocol: 'socks5', host: 'proxy.example.com', port: 1080 } as const
const sealed = sealProxy({ ...place, auth }, sealer, 'id')

describe('a stored proxy', () => {
  it('is opened as it was set', () => {
    expect(openProxy(sealed, sealer, 'id')).toEqual({ ...place, auth })
    const open = sealProxy({ ...place, auth: null }, sealer, 'id')
    expect(openProxy(open, sealer, 'id')).toEqual({ ...place, auth: undefined })
    expect(openProxy(null, sealer, 'id')).toBeUndefined()
  })

  it('holds its password only sealed, and shows nothing of it', () => {
    expect(JSON.stringify(sealed)).not.toContain(auth.password)
    expect(shownProxy(sealed)).toEqual({ ...place, auth: { username: 'gateway' } })
  })

  it('is opened for its own account and with its own key only', () => {
    expect(() => openProxy(sealed, sealer, 'another')).toThrow(SealError)
    expect(() => openProxy(sealed, other, 'id')).toThrow(SealError)
  })

  it('takes no API key of the same account for its password, nor gives its password as one', () => {
    const sealedPassword = sealer.seal('sk-ant-x', 'id')
    const swapped = { ...place, auth: { username: 'gateway', sealedPassword } }
    expect(() => openProxy(swapped, sealer, 'id')).toThrow(SealError)
    expect(() => sealer.unseal(sealed.auth?.sealedPassword ?? '', 'id')).toThrow(SealError)
  })
})

describe('the name and password for a proxy', () => {
  const accepts = (protocol: string, username: string, password = 'x') =>
    ProxyInput.safeParse({ ...place, protocol, auth: { username, password } }).success

  it('hold up to 255 bytes each', () => {
    expect(accepts('socks5', 'x'.repeat(255), 'é'.repeat(127))).toBe(true)
    expect(accepts('socks5', 'é'.repeat(128))).toBe(false)
    expect(accepts('socks5', 'x', '€'.repeat(86))).toBe(false)
  })

  it('hold no control character, and the name a colon only for SOCKS5', () => {
    for (const text of ['a\r\nb', 'a\0b', 'a\u0085b']) {
      expect([accepts('http', text), accepts('http', 'x', text)]).toEqual([false, false])
    }
    expect([accepts('http', 'a:b'), accepts('https', 'a:b')]).toEqual([false, false])
    expect([accepts('socks5', 'a:b'), accepts('http', 'a', 'b:c')]).toEqual([true, true])
  })
})
