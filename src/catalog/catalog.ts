/** The catalog in memory: the pool and the key records that requests are planned with. */
import type { Redis } from '@upstash/redis'
import { parseJson } from '../json.ts'
import type { Keyspace } from '../store/keyspace.ts'
import { rosterField, rosterName } from '../store/lua/candidates.ts'
import { migrate } from '../store/migrate.ts'
import { toFields } from '../store/rows.ts'
import { type Schema, storedSchema } from '../store/schema.ts'
import type { Account } from './account.ts'
import type { ApiKey } from './api-key.ts'
import { type ModelPrice, type ModelPrices, priceField, readModelPrice } from './model-price.ts'
import { createSharedLoads } from './shared-loads.ts'
import { readAccount, readApiKey, type Stored } from './stored-records.ts'

export interface Pool {
  version: string
  accounts: ReadonlyMap<string, Stored<Account>>
  /** Prices that an administrator has set; undefined where none. */
  prices?: ModelPrices
  /** Of the roster that the store keeps for scripts; undefined without one. */
  rosterName?: string | undefined
}

/** What one request is planned with; `apiKey` is undefined when no such key exists. */
export interface Snapshot {
  digest: string
  pool: Pool
  apiKey: Stored<ApiKey> | undefined
}

/** A key that was read for a request. */
export interface FoundKey {
  snapshot: Snapshot
  /** Whether all of `snapshot` was read after it was asked for. */
  isFresh: boolean
  /** Whether its key was read by another request, which may have begun before the last edit. */
  isJoined: boolean
}

export type Catalog = ReturnType<typeof createCatalog>

const accountField = 'account:'
const noPrices: ModelPrices = new Map()

const maxKeys = 10_000
/** Digests that no key has; a new key is random, so remembering them briefly hides nothing. */
const unknownForMs = 1_000

/**
 * Keeps the pool and the keys seen lately. Nothing here expires: `admit` compares versions on every
 * request and hands back what changed.
 * @param convert brings a store of another format to this gateway's, and tells whether it had to; by
 * default `migrate`.
 * @param onUnreadable gets the id of each account whose record is damaged; the others are used.
 * @param sharesLoads whether requests that need the same record at the same time share its load.
 */
export function createCatalog(
  redis: Redis,
  keyspace: Keyspace,
  monotonicMs: () => number,
  convert = (found: Schema): Promise<boolean> => migrate(redis, keyspace, found),
  onUnreadable: (accountId: string) => void = () => {},
  sharesLoads = true,
) {
  let pool: Pool | undefined
  const apiKeys = new Map<string, Stored<ApiKey>>()
  const unknown = new Map<string, number>()
  const loads = createSharedLoads<Snapshot>(sharesLoads)
  const keyLoads = createSharedLoads<{ snapshot: Snapshot; isWhole: boolean }>(sharesLoads)

  const remember = (digest: string, stored: Stored<ApiKey> | undefined) => {
    apiKeys.delete(digest)
    unknown.delete(digest)
    if (stored) apiKeys.set(digest, stored)
    else unknown.set(digest, monotonicMs() + unknownForMs)
    evictOldest(apiKeys)
    evictOldest(unknown)
  }

  const isConverted = (poolRows: string[] | null) => {
    const fields = toFields(poolRows ?? [])
    return convert(storedSchema(fields.get('schema'), fields.get('version')))
  }

  const readPool = (rows: string[]): Pool => {
    const fields = toFields(rows)
    const accounts = new Map<string, Stored<Account>>()
    const prices = new Map<string, ModelPrice>()
    for (const [field, row] of fields) {
      if (field.startsWith(priceField)) {
        const price = readModelPrice(parseJson(row))
        if (price) prices.set(field.slice(priceField.length), price)
      }
      if (!field.startsWith(accountField)) continue
      const accountId = field.slice(accountField.length)
      const stored = readAccount(accountId, row)
      if (stored) accounts.set(accountId, stored)
      else onUnreadable(accountId)
    }
    const version = fields.get('version') ?? '0'
    const ofAdmins = prices.size > 0 ? { prices } : {}
    return { version, accounts, ...ofAdmins, rosterName: rosterName(fields.get(rosterField)) }
  }

  async function loadAll(digest: string): Promise<Snapshot> {
    const [poolRows, keyRows] = (await redis
      .pipeline()
      .hgetall(keyspace.pool)
      .hgetall(keyspace.apiKey(digest))
      .exec()) as unknown as [string[] | null, string[] | null]
    if (await isConverted(poolRows)) return loadAll(digest)
    pool = readPool(poolRows ?? [])
    const apiKey = readApiKey(keyRows ?? [])
    remember(digest, apiKey)
    return { digest, pool, apiKey }
  }

  /** The key as the store has it, with the pool only where memory has none: `admit` compares its version. */
  async function loadApiKey(digest: string): Promise<{ snapshot: Snapshot; isWhole: boolean }> {
    if (!pool) return { snapshot: await loadAll(digest), isWhole: true }
    const known = pool
    const [formats, rows] = (await redis
      .pipeline()
      .hmget(keyspace.pool, 'schema', 'version')
      .hgetall(keyspace.apiKey(digest))
      .exec()) as unknown as [(string | null)[], string[] | null]
    if (await convert(storedSchema(formats[0], formats[1])))
      return { snapshot: await loadAll(digest), isWhole: true }
    const apiKey = readApiKey(rows ?? [])
    remember(digest, apiKey)
    return { snapshot: { digest, pool: known, apiKey }, isWhole: false }
  }

  return {
    /** What memory knows about a key, without asking the store; undefined when it cannot tell. */
    peek(digest: string): Snapshot | undefined {
      const apiKey = apiKeys.get(digest)
      const isUnknown = (unknown.get(digest) ?? 0) > monotonicMs()
      return pool && (apiKey || isUnknown) ? { digest, pool, apiKey } : undefined
    },

    /**
     * Reads the pool and the key afresh in one round trip, and converts a store of an older format.
     * @throws GatewayError `store_incompatible` for a store of a newer one.
     */
    load: (digest: string): Promise<Snapshot> => loads.fresh(digest, () => loadAll(digest)),

    /**
     * Reads a key that memory does not know, with the pool only where memory has none; shares the round
     * trip with requests that do the same.
     * @throws GatewayError `store_incompatible`
     */
    async findApiKey(digest: string): Promise<FoundKey> {
      const { result, isJoined } = keyLoads.join(digest, () => loadApiKey(digest))
      const { snapshot, isWhole } = await result
      return { snapshot, isFresh: isWhole && !isJoined, isJoined }
    },

    /** The same, read after this call: for what follows from an edit that was made just before it. */
    async confirmApiKey(digest: string): Promise<FoundKey> {
      const { snapshot, isWhole } = await keyLoads.fresh(digest, () => loadApiKey(digest))
      return { snapshot, isFresh: isWhole, isJoined: false }
    },

    /** Takes over the rows that `admit` found newer; an empty list means unchanged there. */
    apply(snapshot: Snapshot, stale: { pool: string[]; apiKey: string[] }): Snapshot {
      if (stale.pool.length > 0) pool = readPool(stale.pool)
      const apiKey = stale.apiKey.length > 0 ? readApiKey(stale.apiKey) : snapshot.apiKey
      remember(snapshot.digest, apiKey)
      return { digest: snapshot.digest, pool: pool ?? snapshot.pool, apiKey }
    },

    /**
     * The account as memory knows it by now: an edit while a request runs counts for its next attempt.
     * As it was given where it does not exist any more.
     */
    currentAccount: (account: Account): Account =>
      pool?.accounts.get(account.id)?.record ?? account,

    /** The prices that an administrator has set, as memory knows them. */
    currentPrices: (): ModelPrices => pool?.prices ?? noPrices,

    /** The pool that memory knows, or else the stored one; for what need not be the newest. */
    async currentPool(): Promise<Pool> {
      return pool ?? this.loadPool()
    },

    /** Reads the pool alone, for administration. @throws GatewayError `store_incompatible` */
    async loadPool(): Promise<Pool> {
      const rows = (await redis.hgetall(keyspace.pool)) as unknown as string[] | null
      if (await isConverted(rows)) return this.loadPool()
      pool = readPool(rows ?? [])
      return pool
    },
  }
}

function evictOldest(map: Map<string, unknown>): void {
  if (map.size <= maxKeys) return
  const oldest = map.keys().next()
  if (!oldest.done) map.delete(oldest.value)
}
