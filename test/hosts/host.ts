/** A running gateway as a journey sees it: an address, its log, and how to restart it. */

export interface GatewayHost {
  url: string
  adminPassword: string
  /**
   * Whether a client that closes its side before anything was written to it is noticed. workerd
   * sees only a reset then: a closed socket shows itself when it is written to.
   */
  noticesQuietLeave: boolean
  /** Whether it can go through the proxy of an account. */
  canProxy: boolean
  /** Every log line so far. */
  log: string[]
  /** Ends the gateway in order and starts it again over the same data. */
  restart(): Promise<void>
  close(): Promise<void>
}

/** Starts a gateway with these settings on top of the suite's own. */
export type StartHost = (settings?: Record<string, string>) => Promise<GatewayHost>

/** Settings of every journey: loopback upstreams, and short waits where a journey waits. */
export const journeySettings = {
  PORT: '0',
  ADMIN_PASSWORD: 'correct horse battery staple',
  ALLOW_PRIVATE_UPSTREAMS: 'true',
  ALLOW_PRIVATE_PROXIES: 'true',
  UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '1',
  UPSTREAM_IDLE_TIMEOUT_SECONDS: '1',
  UPSTREAM_JSON_TIMEOUT_SECONDS: '2',
  DRAIN_TIMEOUT_SECONDS: '2',
}
