/** Slows down the guessing of passwords, by name and by address, whether or not the name exists. */
import { createHash } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import { counted } from '../../counted.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import {
  beginLoginScript,
  succeedLoginScript,
  takeBackLoginScript,
} from '../../store/scripts/login.ts'

/**
 * Runs `attempt` unless too many before it have failed; it counts as failed when it throws that the
 * password is wrong.
 * @param caller.address where the caller is, if known.
 * @throws GatewayError `too_many_logins` with the wait, and what `attempt` throws.
 */
export async function throttled<Result>(
  { runtime, keyspace }: Gateway,
  { username, address }: { username: string; address: string | undefined },
  attempt: () => Promise<Result>,
): Promise<Result> {
  const counterOf = (network: string | undefined) =>
    network === undefined ? undefined : keyspace.failedLogins('address', digest(network))
  const { network, site } = networksOf(address)
  const counters = {
    name: keyspace.failedLogins('name', digest(username)),
    address: counterOf(network),
    site: counterOf(site),
  }
  const begun = await beginLoginScript(runtime.redis, keyspace, counters)
  if (begun.waitMs > 0) throw tooMany(Math.ceil(begun.waitMs / 1000))
  const result = await attempt().catch(async (error: unknown) => {
    if (!isVerdict(error)) await takeBackLoginScript(runtime.redis, keyspace, counters, begun)
    throw error
  })
  await succeedLoginScript(runtime.redis, keyspace, counters)
  return result
}

/** Whether the password was checked: a gateway that is busy, or a store that is lost, tells nothing of it. */
const isVerdict = (error: unknown) => error instanceof GatewayError && error.status < 500

/**
 * By what an address is counted: an IPv4 address as it is; of IPv6 the /64, which is one network, and
 * the /48, which may be one subscriber with 65,536 of them (RFC 6177).
 */
export function networksOf(address: string | undefined): { network?: string; site?: string } {
  if (address === undefined) return {}
  if (!ipaddr.isValid(address)) return { network: address }
  const ip = ipaddr.process(address)
  if (ip instanceof ipaddr.IPv4) return { network: ip.toString() }
  const first = (parts: number) => ip.parts.slice(0, parts).join(':')
  return { network: first(4), site: first(3) }
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32)

function tooMany(retryAfterSeconds: number): GatewayError {
  const message = `Too many logins have failed; try again in ${counted(retryAfterSeconds, 'second')}`
  return new GatewayError('too_many_logins', message, { retryAfterSeconds })
}
