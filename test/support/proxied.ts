/** A transport whose requests all go through proxies, and what a test opens beside it. */
import type { LookupFunction } from 'node:net'
import type { TransportOptions } from '../../src/node/transport/transport.ts'
import type { OutboundProxy, UpstreamRequest } from '../../src/runtime.ts'
import { createWebTransport } from './web-transport.ts'

type Closing = { close(): Promise<void> }

/** Resolves every name to this machine. */
export const loopback: LookupFunction = (_name, options, callback) =>
  options.all
    ? callback(null, [{ address: '127.0.0.1', family: 4 }])
    : callback(null, '127.0.0.1', 4)

/** Keeps what a test has opened; `closeAll` belongs into its `afterEach`. */
export function createBench() {
  const closing: Closing[] = []
  const keep = async <T extends Closing>(opened: T | Promise<T>): Promise<T> => {
    const each = await opened
    closing.push(each)
    return each
  }
  const client = (options: Partial<TransportOptions> = {}) => {
    const transport = createWebTransport({
      connectTimeoutMs: 120_000, // longer than a test waits
      allowPrivateUpstreams: true,
      allowPrivateProxies: true,
      lookup: loopback,
      ...options,
    })
    closing.push(transport)
    const get = (
      url: string,
      proxy: OutboundProxy | undefined,
      { accountId = 'account', ...over }: Partial<UpstreamRequest> & { accountId?: string } = {},
    ) =>
      transport.fetch(url, {
        method: 'GET',
        headers: new Headers(),
        body: undefined,
        signal: new AbortController().signal,
        redirect: 'manual',
        ...(proxy && { via: { accountId, proxy } }),
        ...over,
      })
    return { get, close: () => transport.close() }
  }
  const closeAll = async () => {
    await Promise.all(closing.splice(0).map((each) => each.close()))
  }
  return { keep, client, closeAll }
}
