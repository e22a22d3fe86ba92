/** Decides whether an address may be an upstream, so that no setting can aim a request at us. */
import ipaddr from 'ipaddr.js'

const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')
const nat64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96') // RFC 6052: an IPv4 address lies within
const azureMetadata = '168.63.129.16' // looks public, yet only the host's own agent answers there
const privateName = /(?:^|\.)(?:localhost|local|internal)$/

const isPublicIPv4 = (ip: ipaddr.IPv4) =>
  ip.range() === 'unicast' && ip.toString() !== azureMetadata

/**
 * Tells whether an IP address, in any spelling, belongs to the public internet.
 * False for what is not an address at all.
 */
export function isPublicAddress(ip: string): boolean {
  if (!ipaddr.isValid(ip)) return false
  const address = ipaddr.process(ip)
  if (address instanceof ipaddr.IPv4) return isPublicIPv4(address)
  // Networks without IPv4 reach it through NAT64, so there the embedded address decides.
  if (address.match(nat64)) return isPublicIPv4(new ipaddr.IPv4(address.toByteArray().slice(12)))
  return address.range() === 'unicast' && address.match(globalUnicast)
}

const isPrivateHost = (hostname: string) => {
  const name = hostname.replace(/\.$/, '').replace(/^\[(.*)\]$/, '$1')
  return privateName.test(name) || (ipaddr.isValid(name) && !isPublicAddress(name))
}

/**
 * Checks the base URL of an upstream and returns its fault as a sentence, or undefined.
 * A name is judged by its spelling only: whoever connects must judge what it resolves to.
 */
export function checkUpstreamUrl(
  value: string,
  options: { allowPrivate: boolean },
): string | undefined {
  const absolute = /^https?:\/\/[^\s\\]+$/i.test(value) && URL.canParse(value)
  if (!absolute) return 'The URL must be absolute, like https://api.example.com.'
  const url = new URL(value)
  if (url.protocol !== 'https:' && !options.allowPrivate) return 'The URL must use https.'
  if (url.username || url.password) return 'The URL must not contain credentials.'
  if (/[?#]/.test(value)) return 'The URL must not have a query or a fragment.'
  if (!options.allowPrivate && isPrivateHost(url.hostname)) {
    return 'The URL must not point to a private or reserved address.'
  }
  return undefined
}
