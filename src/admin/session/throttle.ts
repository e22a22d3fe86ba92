/** Slows down the guessing of passwords, by name and by address, whether or not the name exists. */
import { createHash } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { beginLoginScript, succeedLoginScript } from '../../store/scripts/login.ts'

/**
 * Runs `attempt` unless too many before it have failed; it counts as failed when it throws.
 * @param caller.address where the caller is, if known.
 * @throws GatewayError `too_many_logins` with the wait, and what `attempt` throws.
 */
export async function throttled<Result>(
  { runtime, keyspace }: Gateway,
  { username, address }: { username: string; address: string | undefined },
  attempt: () => Promise<Result>,
): Promise<Result> {
  const counters = {
    name: keyspace.failedLogins('name', digest(username)),
    address:
      address === undefined
        ? undefined
        : keyspace.failedLogins('address', digest(networkOf(address))),
  }
  const waitMs = await beginLoginScript(runtime.redis, keyspace, counters)
  if (waitMs > 0) throw tooMany(Math.ceil(waitMs / 1000))
  const result = await attempt()
  await succeedLoginScript(runtime.redis, keyspace, counters)
  return result
}

/** IPv4 addresses as they are; of IPv6 the /64, which belongs to one subscriber (RFC 6177). */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const ip = ipaddr.process(address)
  if (ip instanceof ipaddr.IPv4) return ip.toString()
  return ip.parts.slice(0, 4).join(':')
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32)

function tooMany(retryAfterSeconds: number): GatewayError {
  const message = `Too many logins have failed; try again in ${retryAfterSeconds} seconds`
  return new GatewayError('too_many_logins', message, { retryAfterSeconds })
}
