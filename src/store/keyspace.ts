/** Every key the product stores, and how long each is kept. */

const second = 1_000
const day = 24 * 60 * 60 * second

/** Lifetimes in milliseconds. */
export const ttl = {
  /** A request's marker is kept longer than any retry and any journal entry, so nothing is charged twice. */
  requestMs: 2 * day,
  /** Journal entries older than this are set aside: their marker may be gone. */
  journalMs: 1 * day,
  stickyMs: 15 * day,
  /** A session of which one request was served. */
  newStickyMs: 1 * day,
  /** Vendors keep a stored response, which a later request may continue, for a month. */
  affinityMs: 30 * day,
  /** A request that no account could take is remembered for as long as its client may ask why. */
  refusalMs: 60 * 60 * second,
  /** Why an account failed last; longer than any cooldown but the longest that vendors name. */
  lastFailureMs: 7 * day,
  /** What the health check writes; it is never read. */
  healthCheckMs: 60 * second,
  /** Failed logins are forgotten this long after the last one; longer than the longest wait. */
  failedLoginsMs: 60 * 60 * second,
  /** How long an orphan belongs to the process that it was handed to, before another may take it. */
  orphanClaimMs: 30 * second,
  /** The usage ledger keeps hours and days this long; months stay. */
  hourBucketMs: 35 * day,
  dayBucketMs: 400 * day,
} as const

export type Keyspace = ReturnType<typeof createKeyspace>

/** Names every key under `prefix`; ids are generated here and digests are hex, so none can forge a separator. */
export function createKeyspace(prefix: string) {
  const key = (first: string, ...parts: string[]) => {
    let name = prefix + first
    for (const part of parts) name += `:${part}`
    return name
  }
  return {
    /** Hash: version, schema, roster, one `account:<id>` field per upstream account and one `price:<account>|<model>` per price. */
    pool: key('pool'),
    /** Hash: revision, record. */
    apiKey: (digest: string) => key('apikey', digest),
    /** String: the digest of the key with this id. */
    apiKeyDigest: (keyId: string) => key('apikey-digest', keyId),
    /** Sorted set of key ids, all of score 0: ids sort by creation time. */
    apiKeyIndex: key('apikeys'),
    /** Sorted set of key ids: when each was last written, in microseconds of the store's clock. */
    apiKeyChanges: key('apikeys-changed'),
    /**
     * Hash: activatedAtMs, lastUsedAtMs, windowEndsMs, windowRequests, heldNanoUsd, spentNanoUsd …, and
     * packed sums in total, of the latest day and of the latest month.
     */
    keyCounters: (keyId: string) => key('key', keyId),
    /** Sorted set: lease member → expiry. */
    keyLeases: (keyId: string) => key('leases', 'key', keyId),
    /** Sorted set: ticket (`<number>|<ledgerId>`) → expiry; kept until the last of them. */
    waiting: (keyId: string) => key('waiting', keyId),
    poolLeases: (poolId: string) => key('leases', poolId),
    /** Hash: account id, or account id/model family → `untilMs|failures|sinceMs|reason`; no field means healthy. */
    health: (poolId: string) => key('health', poolId),
    /** String: JSON of the last failure of an account, with the vendor's sentence. */
    lastFailure: (accountId: string) => key('last-failure', accountId),
    /** Hash: account id → `inflight|pickedMs|heldNanoUsd|day|spentNanoUsd`, maintained. */
    load: (poolId: string) => key('load', poolId),
    /** Hash: state, account, generation, member and, once it has ended, the receipt and the trace. */
    request: (ledgerId: string) => key('request', ledgerId),
    /** String: ledger id of the latest request that its client gave this id. */
    requestName: (requestId: string) => key('request-id', requestId),
    /** Sorted set: members of leases that expired and wait to be settled → when they may be claimed. */
    orphans: key('orphans'),
    /** String: `home|servedMs|beforeMs|current|moves`. */
    sticky: (poolId: string, keyId: string, sessionKey: string) =>
      key('sticky', poolId, keyId, sessionKey),
    /** String: the account that issued an id which no other account knows. */
    affinity: (poolId: string, keyId: string, digest: string) =>
      key('affinity', poolId, keyId, digest),
    /** The usage ledger: hashes of packed sums. */
    usage: {
      /** Hash: `.`, and row → sums, of one hour that is not rolled up yet. */
      openHour: (hourId: string) => key('usage', 'open', hourId),
      /** Sorted set: the hours that are not rolled up yet → when they end. */
      openHours: key('usage', 'open'),
      /**
       * Hash of roll-ups: a part of the period, and the rest of a row → sums. `scale` is the length of
       * what is summed; a hash holds the hours of a day, the days of a month or the months of a year.
       * @param view `all`, what the sums are by (`key` …), or `key:<id>` for the rows of one key.
       */
      rollUp: (scale: 'hours' | 'days' | 'months', period: string, view: string) =>
        key('usage', scale, period, view),
    },
    /** What the keys of the usage ledger of format 1 began with. */
    oldLedgers: key('books', ''),
    /** Hash: passwordHash, its dates, tokensValidAfterMs. Names are free text, so nothing follows them. */
    admin: (username: string) => key('admin', username),
    /** Hash: failures, untilMs. What is counted is hashed: it is text of a stranger. */
    failedLogins: (kind: 'name' | 'address', digest: string) => key('failed-logins', kind, digest),
    /** String, for as long as the token would have lived. */
    revokedToken: (tokenId: string) => key('revoked-token', tokenId),
    /** Sorted set, all of score 0: audit entries, each `<time-ordered id> <JSON>`. */
    audit: key('audit'),
    /** String: written by the health check, to see that the store takes writes. */
    healthCheck: key('health-check'),
    /** String: id of the key that seals credentials in this store. */
    sealingKey: key('sealing-key'),
  }
}
