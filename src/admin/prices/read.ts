/** The verbs that read the prices which an administrator has set. */
import type { ModelPrice } from '../../catalog/model-price.ts'
import type { Actor } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import type { Page, PageRequest } from '../page.ts'
import { requirePermission } from '../permissions.ts'

/** Which prices a list shows; a field that is undefined excludes none. */
export interface PriceFilter {
  model: string | undefined
  accountId: string | undefined
}

/** Lists prices, oldest first. @throws GatewayError `not_permitted` */
export async function listPrices(
  gateway: Gateway,
  { actor, cursor = '', limit, filter }: PageRequest & { actor: Actor; filter: PriceFilter },
): Promise<Page<ModelPrice>> {
  requirePermission(actor, 'prices:read')
  const { model, accountId } = filter
  const following = (await storedPrices(gateway))
    .filter((price) => price.id > cursor)
    .filter((price) => model === undefined || price.model === model)
    .filter((price) => accountId === undefined || price.accountId === accountId)
  const data = following.slice(0, limit)
  return { data, nextCursor: following.length > limit ? (data.at(-1)?.id ?? null) : null }
}

/** All prices, oldest first. @throws GatewayError `not_permitted` */
export async function exportPrices(gateway: Gateway, actor: Actor): Promise<ModelPrice[]> {
  requirePermission(actor, 'prices:read')
  return storedPrices(gateway)
}

async function storedPrices({ catalog }: Gateway): Promise<ModelPrice[]> {
  const { prices } = await catalog.loadPool()
  return [...(prices?.values() ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1))
}
