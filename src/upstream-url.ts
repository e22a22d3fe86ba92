/** Decides whether an address may be an upstream or a proxy, so that no setting aims a request at us. */
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
 * A name is judged by its spelling only: the code that connects must judge what it resolves to.
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

/** What every resolver takes for a name, once it is in lower case and without other scripts. */
const plainName = /^(?=.{1,253}$)[a-z\d_-]{1,63}(\.[a-z\d_-]{1,63})*\.?$/

/** The one spelling of a host, an IPv6 address without brackets; undefined when it is none. */
function canonicalHost(value: string): string | undefined {
  const bare = value.replace(/^\[(.*)\]$/, '$1')
  if (/^[\da-f.]*:[\da-f:.]+$/i.test(bare)) {
    return URL.canParse(`http://[${bare}]`)
      ? new URL(`http://[${bare}]`).hostname.slice(1, -1)
      : undefined
  }
  if (!/^[^\s\\/:@?#%[\]]+$/.test(value) || !URL.canParse(`http://${value}`)) return undefined
  const { hostname } = new URL(`http://${value}`)
  return plainName.test(hostname) ? hostname : undefined
}

/**
 * Checks the host of a proxy: a plain name or an IP address, IPv6 with or without brackets.
 * A name is judged by its spelling only: the code that connects must judge what it resolves to.
 * @returns the one spelling to store and connect to, or the fault as a sentence.
 */
export function checkProxyHost(
  value: string,
  options: { allowPrivate: boolean },
): { host: string } | { fault: string } {
  const host = canonicalHost(value)
  if (host === undefined) {
    return { fault: 'The host must be a plain name or IP address, without scheme, port or path.' }
  }
  if (!options.allowPrivate && isPrivateHost(host)) {
    return { fault: 'The host must not be a private or reserved address.' }
  }
  return { host }
}
