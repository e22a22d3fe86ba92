/** Routes of the prices that an administrator sets: they precede those of every public table. */
import { z } from '@hono/zod-openapi'
import type { ModelPrice } from '../../catalog/model-price.ts'
import type { Gateway } from '../../gateway.ts'
import { priceName } from '../../ledger/price.ts'
import { adminRoute } from '../access.ts'
import { answer, pageOf, refused } from '../answers.ts'
import type { AdminApp } from '../app.ts'
import { IdPath, PageQuery } from '../input.ts'
import { exportPrices, listPrices } from './read.ts'
import { PriceImport, PriceImported, PriceInput, PriceTable, PriceView, tags } from './view.ts'
import { importPrices, removePrice, setPrice } from './write.ts'

const ListQuery = PageQuery.extend({
  model: z.string().min(1).max(200).optional().openapi({ description: 'Only of this model' }),
  accountId: z.string().min(1).max(64).optional().openapi({ description: 'Only of this account' }),
})

const list = adminRoute('prices:read', {
  method: 'get',
  path: '/prices',
  tags,
  summary: 'List the prices that were set here, oldest first',
  description: 'All other models are priced by public tables; the bill of a request names which.',
  request: { query: ListQuery },
  responses: { 200: answer(pageOf(PriceView), 'One page of prices'), 400: refused[400] },
})

const put = adminRoute('prices:write', {
  method: 'put',
  path: '/prices',
  tags,
  summary: 'Set the price of a model, on every account or on one',
  description:
    'It counts from the next request to be settled on. A price that was set for the same model and ' +
    'account is replaced as a whole.',
  request: { body: { required: true, content: { 'application/json': { schema: PriceInput } } } },
  responses: {
    200: answer(PriceView, 'The price as it is now'),
    400: refused[400],
    409: refused[409],
  },
})

const remove = adminRoute('prices:write', {
  method: 'delete',
  path: '/prices/{id}',
  tags,
  summary: 'Remove a price',
  request: { params: IdPath },
  responses: {
    200: answer(PriceView, 'The price as it was'),
    404: refused[404],
    409: refused[409],
  },
})

const exported = adminRoute('prices:read', {
  method: 'get',
  path: '/prices/export',
  tags,
  summary: 'All prices that were set here, as a table that can be imported',
  responses: { 200: answer(PriceTable, 'The table') },
})

const imported = adminRoute('prices:write', {
  method: 'post',
  path: '/prices/import',
  tags,
  summary: 'Set the prices of a table, all or none',
  request: { body: { required: true, content: { 'application/json': { schema: PriceImport } } } },
  responses: {
    200: answer(PriceImported, 'How many were set, were so already, and were removed'),
    400: refused[400],
    409: refused[409],
  },
})

/** Without what only this gateway knows. */
const inTable = ({ id: _, updatedAt: __, ...price }: ModelPrice) => price

/** Registers the routes of prices. */
export function priceRoutes(app: AdminApp, gateway: Gateway): void {
  app.openapi(list, async (c) => {
    const { cursor, limit, model, accountId } = c.req.valid('query')
    const filter = { model: model && priceName(model), accountId }
    return c.json(await listPrices(gateway, { actor: c.get('actor'), cursor, limit, filter }), 200)
  })
  app.openapi(put, async (c) => {
    const input = c.req.valid('json')
    return c.json(await setPrice(gateway, { actor: c.get('actor'), input }), 200)
  })
  app.openapi(remove, async (c) => {
    const { id: priceId } = c.req.valid('param')
    return c.json(await removePrice(gateway, { actor: c.get('actor'), priceId }), 200)
  })
  app.openapi(exported, async (c) => {
    const prices = await exportPrices(gateway, c.get('actor'))
    return c.json({ version: 1 as const, prices: prices.map(inTable) }, 200)
  })
  app.openapi(imported, async (c) => {
    const { mode, prices } = c.req.valid('json')
    return c.json(await importPrices(gateway, { actor: c.get('actor'), mode, prices }), 200)
  })
}
