/** The verbs that set and remove prices, each with its audit entry. */
import { v7 as uuidv7 } from 'uuid'
import type { Pool } from '../../catalog/catalog.ts'
import {
  type ModelPrice,
  type ModelPriceInput,
  modelPriceName,
  priceField,
} from '../../catalog/model-price.ts'
import { type Actor, actorName } from '../../domain/actor.ts'
import { GatewayError, type Issue } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { priceName } from '../../ledger/price.ts'
import { writePricesScript } from '../../store/scripts/prices.ts'
import { packAuditEntry } from '../audit/entry.ts'
import { nextUpdatedAt, retryConflicts } from '../patch.ts'
import { requirePermission } from '../permissions.ts'
import { maxPrices } from './view.ts'

/**
 * Sets the price of a model, on every account or on one.
 * @throws GatewayError `not_permitted`, `invalid_request` for an unknown account and for too many prices.
 */
export async function setPrice(
  gateway: Gateway,
  { actor, input }: { actor: Actor; input: ModelPriceInput },
): Promise<ModelPrice> {
  requirePermission(actor, 'prices:write')
  return retryConflicts(async () => {
    const pool = await gateway.catalog.loadPool()
    const { set, kept, next } = mergeInto(gateway, pool, [input])
    const [price = kept[0]] = set
    if (!price) throw new GatewayError('internal', 'No price was set')
    if (set.length === 0) return price
    checkCount(next)
    const before = pool.prices?.get(nameOf(price)) ?? null
    const change = { actor, action: 'price.set', targetId: price.id, before, after: price }
    return (await write(gateway, pool, { set, removed: [] }, change)) ? price : undefined
  })
}

/** Removes a price. @throws GatewayError `not_permitted`, `not_found` */
export async function removePrice(
  gateway: Gateway,
  { actor, priceId }: { actor: Actor; priceId: string },
): Promise<ModelPrice> {
  requirePermission(actor, 'prices:write')
  return retryConflicts(async () => {
    const pool = await gateway.catalog.loadPool()
    const price = [...(pool.prices?.values() ?? [])].find(({ id }) => id === priceId)
    if (!price) throw new GatewayError('not_found', 'No such record')
    const change = { actor, action: 'price.removed', targetId: priceId, before: price, after: null }
    return (await write(gateway, pool, { set: [], removed: [price] }, change)) ? price : undefined
  })
}

/**
 * Sets the prices of a table, all or none.
 * @param mode `replace` removes every price that the table does not name.
 * @throws GatewayError as `setPrice`, and for a price that the table names twice.
 */
export async function importPrices(
  gateway: Gateway,
  { actor, mode, prices }: { actor: Actor; mode: 'merge' | 'replace'; prices: ModelPriceInput[] },
): Promise<{ set: number; unchanged: number; removed: number }> {
  requirePermission(actor, 'prices:write')
  return retryConflicts(async () => {
    const pool = await gateway.catalog.loadPool()
    const { set, kept, next, named } = mergeInto(gateway, pool, prices)
    const before = [...(pool.prices?.entries() ?? [])]
    const removed =
      mode === 'merge' ? [] : before.flatMap(([name, price]) => (named.has(name) ? [] : [price]))
    for (const price of removed) next.delete(nameOf(price))
    checkCount(next)
    const counts = { set: set.length, unchanged: kept.length, removed: removed.length }
    if (set.length + removed.length === 0) return counts
    const change = { actor, action: 'price.imported', targetId: 'prices' }
    const facts = { before: { prices: before.length }, after: { ...counts, prices: next.size } }
    const isWritten = await write(gateway, pool, { set, removed }, { ...change, ...facts })
    return isWritten ? counts : undefined
  })
}

/** Removes the prices of an account that has been deleted. */
export async function removePricesOf(
  gateway: Gateway,
  { actor, accountId }: { actor: Actor; accountId: string },
): Promise<void> {
  await retryConflicts(async () => {
    const pool = await gateway.catalog.loadPool()
    const removed = [...(pool.prices?.values() ?? [])].filter((one) => one.accountId === accountId)
    if (removed.length === 0) return true
    const change = { actor, action: 'price.removed', targetId: accountId }
    const facts = { before: { models: removed.map(({ model }) => model) }, after: null }
    return (await write(gateway, pool, { set: [], removed }, { ...change, ...facts })) || undefined
  })
}

const nameOf = ({ model, accountId }: ModelPriceInput) => modelPriceName(model, accountId)

/** What the inputs change of the prices of a pool, and all prices after that. */
function mergeInto({ runtime }: Gateway, pool: Pool, inputs: ModelPriceInput[]) {
  const nowMs = runtime.now()
  const next = new Map(pool.prices)
  const named = new Set<string>()
  const issues: Issue[] = []
  const set: ModelPrice[] = []
  const kept: ModelPrice[] = []
  for (const [i, given] of inputs.entries()) {
    const input = { ...given, model: priceName(given.model) }
    const name = nameOf(input)
    const field = inputs.length > 1 ? `prices.${i}.` : ''
    const { accountId } = input
    if (named.has(name)) issues.push({ field: `${field}model`, message: 'Is named twice' })
    if (accountId !== null && !pool.accounts.has(accountId)) {
      issues.push({ field: `${field}accountId`, message: 'There is no such account' })
    }
    named.add(name)
    const known = pool.prices?.get(name)
    if (known && isSame(known, input)) kept.push(known)
    else {
      const id = known?.id ?? uuidv7({ msecs: nowMs })
      const updatedAt = known ? nextUpdatedAt(known, nowMs) : new Date(nowMs).toISOString()
      const price = { ...input, id, updatedAt }
      set.push(price)
      next.set(name, price)
    }
  }
  if (issues.length > 0) {
    throw new GatewayError('invalid_request', 'The prices are not valid: see issues', {
      issues: issues.slice(0, 20),
    })
  }
  return { set, kept, next, named }
}

const isSame = (known: ModelPrice, input: ModelPriceInput): boolean => {
  const { id, updatedAt } = known
  const sorted = (price: object) => JSON.stringify(Object.entries(price).sort())
  return sorted(known) === sorted({ ...input, id, updatedAt })
}

function checkCount(prices: ReadonlyMap<string, ModelPrice>): void {
  if (prices.size <= maxPrices) return
  const message = `At most ${maxPrices} prices can be set`
  throw new GatewayError('invalid_request', message, { issues: [{ field: 'prices', message }] })
}

interface Change {
  actor: Actor
  action: string
  targetId: string
  before: object | null
  after: object | null
}

/** Whether the pool was still the one that the change was made from. */
async function write(
  gateway: Gateway,
  pool: Pool,
  { set, removed }: { set: ModelPrice[]; removed: ModelPrice[] },
  { actor: by, action, targetId, before, after }: Change,
): Promise<boolean> {
  const { runtime, keyspace } = gateway
  const actor = actorName(by)
  const facts = { before: before && { ...before }, after: after && { ...after } }
  const fieldOf = (price: ModelPrice) => priceField + nameOf(price)
  const reply = await writePricesScript(runtime.redis, keyspace, {
    expectedVersion: pool.version,
    prices: [
      ...set.map((price) => ({ field: fieldOf(price), record: JSON.stringify(price) })),
      ...removed.map((price) => ({ field: fieldOf(price), record: undefined })),
    ],
    entry: packAuditEntry(gateway, { actor, action, targetId, ...facts }),
  })
  if (reply === 'conflict') return false
  runtime.observe({ type: 'record_changed', action, targetId, by: actor })
  return true
}
