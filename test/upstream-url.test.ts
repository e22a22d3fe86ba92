import { describe, expect, it } from 'vitest'
import { checkProxyHost, checkUpstreamUrl, isPublicAddress } from '../src/upstream-url.ts'

const publicOnly = { allowPrivate: false }
const anywhere = { allowPrivate: true }

describe('checkUpstreamUrl', () => {
  it.each([
    'https://api.anthropic.com',
    'https://api.anthropic.com/',
    'https://api.example.com:8443/relay/v1',
    'https://8.8.8.8',
    'https://[2606:4700:4700::1111]/v1',
    'https://mylocalhost.com',
    'https://internal.example.com',
    'https://bücher.example',
  ])('accepts the public address %s', (url) => {
    expect(checkUpstreamUrl(url, publicOnly)).toBeUndefined()
  })

  it.each([
    '',
    'api.anthropic.com',
    '/v1/messages',
    '//api.anthropic.com',
    'https:api.anthropic.com',
    'https:\\\\api.anthropic.com',
    'ftp://api.anthropic.com',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'https://',
    'https://a b.com',
    ' https://api.anthropic.com',
    'https://api.anthropic.com\n',
    'https://256.256.256.256',
  ])('refuses %j, which is not an absolute web address', (url) => {
    expect(checkUpstreamUrl(url, anywhere)).toMatch(/must be absolute/)
  })

  it('refuses http unless private upstreams are allowed', () => {
    expect(checkUpstreamUrl('http://api.example.com', publicOnly)).toMatch(/https/)
    expect(checkUpstreamUrl('http://api.example.com', anywhere)).toBeUndefined()
  })

  it.each([
    'https://user@api.example.com',
    'https://user:pass@api.example.com',
    'https://:p@a.com',
  ])('refuses the credentials in %s', (url) => {
    expect(checkUpstreamUrl(url, anywhere)).toMatch(/credentials/)
  })

  it.each(['https://a.com/?x=1', 'https://a.com/?', 'https://a.com/#top', 'https://a.com#'])(
    'refuses the query or fragment in %s',
    (url) => {
      expect(checkUpstreamUrl(url, anywhere)).toMatch(/query or a fragment/)
    },
  )

  const privateUrls = [
    'https://localhost',
    'https://LOCALHOST:8080',
    'https://localhost.',
    'https://db.localhost',
    'https://printer.local',
    'https://metadata.google.internal',
    'https://internal',
    'https://127.0.0.1',
    'https://127.0.0.1.',
    'https://127.1',
    'https://2130706433',
    'https://0177.0.0.1',
    'https://0x7f.0.0.1',
    'https://0x7f000001',
    'https://%31%32%37.0.0.1',
    'https://１２７.0.0.1',
    'https://169.254.169.254',
    'https://[::1]',
    'https://[::]',
    'https://[::ffff:127.0.0.1]',
    'https://[::ffff:7f00:1]',
    'https://[64:ff9b::10.0.0.1]',
    'https://[2002:7f00:1::]',
    'https://[fd00:ec2::254]',
  ]

  it.each(privateUrls)('refuses %s, which is private in disguise or not', (url) => {
    expect(checkUpstreamUrl(url, publicOnly)).toMatch(/private or reserved/)
  })

  it.each(privateUrls)('accepts %s when private upstreams are allowed', (url) => {
    expect(checkUpstreamUrl(url, anywhere)).toBeUndefined()
  })

  it('never repeats the address in a fault', () => {
    expect(checkUpstreamUrl('https://secret:word@10.0.0.1/?key', publicOnly)).not.toMatch(
      /secret|word|10\.0|key/,
    )
  })
})

describe('checkProxyHost', () => {
  it.each([
    ['proxy.example.com', 'proxy.example.com'],
    ['Proxy_1.Example.COM.', 'proxy_1.example.com.'],
    ['proxy', 'proxy'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['8.8.8.8', '8.8.8.8'],
    ['0x08080808', '8.8.8.8'],
    ['2606:4700:4700::1111', '2606:4700:4700::1111'],
    ['[2606:4700:4700:0::1111]', '2606:4700:4700::1111'],
  ])('takes the public host %s, and spells it %s', (value, host) => {
    expect(checkProxyHost(value, publicOnly)).toEqual({ host })
  })

  it.each([
    '',
    'http://proxy.example.com',
    '//proxy.example.com',
    'proxy.example.com:8080',
    '[2606:4700:4700::1111]:8080',
    'proxy.example.com/path',
    'proxy.example.com\\path',
    'proxy.example.com?x',
    'proxy.example.com#x',
    'user@proxy.example.com',
    'user:word@proxy.example.com',
    'proxy example.com',
    'proxy.example.com\r\nx: y',
    ' proxy.example.com',
    '%31%32%37.0.0.1',
    'fe80::1%eth0',
    '[8.8.8.8]',
    '[proxy.example.com]',
    '[2606:4700:4700::1111',
    '256.256.256.256',
    '1:2:3',
    '::g',
    'proxy..example.com',
    '.example.com',
    '.',
    "proxy';x.example.com",
    `${'x'.repeat(64)}.example.com`,
    `${'x.'.repeat(127)}xx`,
  ])('refuses %j, which is not a plain host', (value) => {
    expect(checkProxyHost(value, anywhere)).toEqual({ fault: expect.stringMatching(/plain name/) })
  })

  const privateHosts = [
    'localhost',
    'LOCALHOST.',
    'db.localhost',
    'printer.local',
    'metadata.google.internal',
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0177.0.0.1',
    '１２７.0.0.1',
    '10.0.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '::1',
    '[::1]',
    '::',
    'fe80::1',
    '[fd00:ec2::254]',
    '::ffff:127.0.0.1',
    '64:ff9b::10.0.0.1',
  ]

  it.each(privateHosts)('refuses %s, which is private in disguise or not', (value) => {
    expect(checkProxyHost(value, publicOnly)).toEqual({
      fault: expect.stringMatching(/private or reserved/),
    })
  })

  it.each(privateHosts)('takes %s when private proxies are allowed', (value) => {
    expect(checkProxyHost(value, anywhere)).toEqual({ host: expect.any(String) })
  })
})

describe('isPublicAddress', () => {
  it.each(['1.1.1.1', '172.15.255.255', '172.32.0.1', '100.63.0.1', '2606:4700::1111'])(
    'holds %s to be public',
    (ip) => {
      expect(isPublicAddress(ip)).toBe(true)
    },
  )

  it.each(['::ffff:8.8.8.8', '64:ff9b::8.8.8.8'])('judges %s by the address it embeds', (ip) => {
    expect(isPublicAddress(ip)).toBe(true)
  })

  it.each([
    ['this network', '0.0.0.0'],
    ['this network', '0.1.2.3'],
    ['private', '10.1.2.3'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['private', '192.168.1.1'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['cloud metadata', '100.100.100.200'],
    ['cloud metadata', '169.254.169.254'],
    ['cloud metadata', '192.0.0.192'],
    ['cloud metadata', '168.63.129.16'],
    ['loopback', '127.255.255.254'],
    ['documentation', '203.0.113.7'],
    ['benchmarking', '198.18.0.1'],
    ['multicast', '224.0.0.1'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['loopback, written long', '0:0:0:0:0:0:0:1'],
    ['IPv4-compatible loopback', '::127.0.0.1'],
    ['IPv4-mapped private', '::ffff:10.0.0.1'],
    ['IPv4-mapped metadata', '::ffff:168.63.129.16'],
    ['IPv4-translated', '::ffff:0:127.0.0.1'],
    ['NAT64 of a private address', '64:ff9b::192.168.0.1'],
    ['NAT64 of metadata', '64:ff9b::a9fe:a9fe'],
    ['local NAT64', '64:ff9b:1::8.8.8.8'],
    ['6to4', '2002:7f00:1::1'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['link-local', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['site-local', 'fec0::1'],
    ['unique local', 'fc00::1'],
    ['unique local', 'fd12:3456::1'],
    ['multicast', 'ff02::1'],
    ['discard', '100::1'],
    ['documentation', '2001:db8::1'],
    ['documentation', '3fff::1'],
    ['unallocated', '4000::1'],
    ['not an address', 'example.com'],
    ['not an address', ''],
  ])('holds %s %s not to be public', (_kind, ip) => {
    expect(isPublicAddress(ip)).toBe(false)
  })
})
