/** The parts that the relay and the administration share, composed over one runtime. */
import { type ByteBudget, createByteBudget } from './byte-budget.ts'
import { createSecretOpener, type OpenSecrets } from './catalog/account-secrets.ts'
import { type ApiKeyDirectory, createApiKeyDirectory } from './catalog/api-key-directory.ts'
import { type Catalog, createCatalog } from './catalog/catalog.ts'
import type { CatalogContext } from './catalog/context.ts'
import { createSealer } from './crypto.ts'
import { createPricer, type Pricer } from './ledger/pricer.ts'
import { createOfferings, type Offerings } from './offerings.ts'
import { createOrganisations, type Organisations } from './organisations.ts'
import type { Platform } from './platforms/platform.ts'
import { createPlatformRegistry, type PlatformRegistry } from './platforms/registry.ts'
import {
  type ConcurrencyLimit,
  createConcurrencyLimit,
  createRateLimit,
  type RateLimit,
} from './process-limits.ts'
import type { Runtime } from './runtime.ts'
import { createScanTurns, type ScanTurns } from './scan-turns.ts'
import { createKeyspace } from './store/keyspace.ts'
import { createWakeUps, type WakeUps } from './wake-ups.ts'

export interface Gateway extends CatalogContext {
  catalog: Catalog
  /** All keys, for the lists of the administration. */
  apiKeyDirectory: ApiKeyDirectory
  platforms: PlatformRegistry
  pricer: Pricer
  openSecrets: OpenSecrets
  /** Which accounts belong together; a session that moves stays among them if it can. */
  organisations: Organisations
  /** Which operations accounts have; one that lacks an operation is asked for it last. */
  offerings: Offerings
  /** Requests that wait for an account: no limit of their key counts them. */
  waitingRequests: ConcurrencyLimit
  /** Wakes a request that waits for its turn when another of its key has ended. */
  wakeUps: WakeUps
  /** What request bodies may take of memory, of this process */
  bodyMemory: ByteBudget
  /** How much of all bodies is scanned at a stretch */
  scanTurns: ScanTurns
  /** Requests that no account could take, whose trace is stored: they cost their key nothing. */
  storedRejections: RateLimit
  /** Failures of accounts that are kept for administrators. */
  storedFailures: RateLimit
}

const maxWaitingPerKey = 100
const uploads = { maxWaiting: 200, maxWaitMs: 10_000 }
/** Some five milliseconds at worst. */
const scannedBytesPerTurn = 256 * 1024
const storedRejectionsPerMinute = 30
const storedFailuresPerMinute = 10

/** @param platforms the kinds of account that it can call, by default those of the product. */
export function createGateway(runtime: Runtime, platforms?: readonly Platform[]): Gateway {
  const { KEY_PREFIX, BODY_MEMORY_BYTES } = runtime.config
  const keyspace = createKeyspace(KEY_PREFIX)
  const sealer = createSealer(runtime.config.ENCRYPTION_KEY)
  const catalog = createCatalog(
    runtime.redis,
    keyspace,
    runtime.monotonicMs,
    undefined,
    (accountId) => runtime.observe({ type: 'account_unreadable', accountId }),
    !runtime.isolatesRequests,
  )
  return {
    runtime,
    keyspace,
    catalog,
    apiKeyDirectory: createApiKeyDirectory({ runtime, keyspace }),
    platforms: createPlatformRegistry(platforms),
    pricer: createPricer({
      modelPrices: catalog.currentPrices,
      reservationOutputTokens: runtime.config.RESERVATION_OUTPUT_TOKENS,
    }),
    sealer,
    openSecrets: createSecretOpener(sealer),
    organisations: createOrganisations(),
    offerings: createOfferings(runtime.monotonicMs),
    waitingRequests: createConcurrencyLimit(maxWaitingPerKey),
    wakeUps: createWakeUps(),
    bodyMemory: createByteBudget({ ...uploads, maxBytes: BODY_MEMORY_BYTES }, runtime),
    scanTurns: createScanTurns(runtime, scannedBytesPerTurn, !runtime.isolatesRequests),
    storedRejections: createRateLimit(storedRejectionsPerMinute, runtime.monotonicMs),
    storedFailures: createRateLimit(storedFailuresPerMinute, runtime.monotonicMs),
  }
}
