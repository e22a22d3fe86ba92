import { lookup as dnsLookup } from 'node:dns'
import type { LookupFunction, Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { TransportOptions } from '../../../src/node/transport/transport.ts'
import { checkUpstreamUrl } from '../../../src/upstream-url.ts'
import { type RawUpstream, startRawUpstream } from '../../support/raw-upstream.ts'
import { settled } from '../../support/wait.ts'
import { createWebTransport } from '../../support/web-transport.ts'

const closing: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((each) => each.close()))
})

async function serve(answer: (socket: Socket) => void): Promise<RawUpstream> {
  const upstream = await startRawUpstream(answer)
  closing.push(upstream)
  return upstream
}

function client(options: Partial<TransportOptions>) {
  const transport = createWebTransport({
    connectTimeoutMs: 30_000,
    allowPrivateUpstreams: true,
    allowPrivateProxies: true,
    ...options,
  })
  closing.push(transport)
  const { signal } = new AbortController()
  return (url: string) =>
    transport.fetch(url, {
      method: 'GET',
      headers: new Headers(),
      body: undefined,
      signal,
      redirect: 'manual',
    })
}

describe('where it connects', () => {
  const answers = (...addresses: string[]): LookupFunction =>
    vi.fn((_name, options, callback) => {
      const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
      if (options.all) callback(null, found)
      else callback(null, found[0]?.address ?? '', found[0]?.family)
    })
  const ok = (socket: Socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  const refused = { code: 'ERR_PRIVATE_UPSTREAM' }

  it('resolves names through the given lookup, once for each connection', async () => {
    const upstream = await serve(ok)
    const lookup = answers('127.0.0.1')
    const get = client({ lookup })
    const url = upstream.url.replace('127.0.0.1', 'relay.example')
    expect((await get(url)).status).toBe(200)
    await settled()
    expect((await get(url)).status).toBe(200)
    expect(lookup).toHaveBeenCalledTimes(1)
  })

  it.each(['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1'])(
    'refuses the private address %s without connecting',
    async (host) => {
      const upstream = await serve(ok)
      const get = client({ allowPrivateUpstreams: false })
      await expect(get(upstream.url.replace('127.0.0.1', host))).rejects.toMatchObject(refused)
      expect(upstream.connections()).toBe(0)
    },
  )

  it.each([['127.0.0.1'], ['::1'], ['::ffff:10.0.0.1'], ['8.8.8.8', '10.0.0.1']])(
    'refuses a name that resolves to %s %s',
    async (...addresses) => {
      const upstream = await serve(ok)
      const get = client({ allowPrivateUpstreams: false, lookup: answers(...addresses) })
      const url = upstream.url.replace('127.0.0.1', 'relay.example')
      await expect(get(url)).rejects.toMatchObject(refused)
      expect(upstream.connections()).toBe(0)
    },
  )

  it('refuses a name that was public when it was saved and is private when it is used', async () => {
    const upstream = await serve(ok)
    const rebinding = vi.fn(answers('127.0.0.1'))
    rebinding.mockImplementationOnce((_name, _options, callback) => callback(null, '8.8.8.8', 4))
    const atSave = await new Promise((resolve) =>
      rebinding('relay.example', {}, (_error, address) => resolve(address)),
    )
    expect(checkUpstreamUrl(`https://${atSave}`, { allowPrivate: false })).toBeUndefined()
    const get = client({ allowPrivateUpstreams: false, lookup: rebinding })
    const url = upstream.url.replace('127.0.0.1', 'relay.example')
    await expect(get(url)).rejects.toMatchObject(refused)
    await expect(get(url)).rejects.toMatchObject(refused)
    expect(rebinding).toHaveBeenCalledTimes(3)
    expect(upstream.connections()).toBe(0)
  })

  it('refuses localhost as the system resolves it', async () => {
    const upstream = await serve(ok)
    const get = client({ allowPrivateUpstreams: false, lookup: dnsLookup })
    await expect(get(upstream.url.replace('127.0.0.1', 'localhost'))).rejects.toMatchObject(refused)
  })

  it('rejects with the fault of the lookup', async () => {
    const fault = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
    const lookup: LookupFunction = (_name, _options, callback) => callback(fault, '', 0)
    const get = client({ allowPrivateUpstreams: false, lookup })
    await expect(get('http://relay.example')).rejects.toBe(fault)
  })

  it('stops connecting after the connect timeout', async () => {
    const get = client({ connectTimeoutMs: 60, lookup: () => {} })
    await expect(get('http://relay.example')).rejects.toMatchObject({
      code: 'UND_ERR_CONNECT_TIMEOUT',
    })
  })
})
