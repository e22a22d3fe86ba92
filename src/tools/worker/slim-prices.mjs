/**
 * Run before the Worker is bundled (`build` in wrangler.toml), by any Node: writes the price list's
 * module with the two vendors that are used, of more than forty, and without what is no price.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The providers of `PriceProvider` in `ledger/price-card.ts`. */
const usedProviders = ['anthropic', 'openai']
/** The counts that `ledger/kept-list.ts` prices. */
const usedCounts = [
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'cache_write_1h_tokens',
  'output_tokens',
  'web_searches',
]
/** `alias` in wrangler.toml names the same file. */
const directory = join(import.meta.dirname, '..', '..', '..', '.wrangler', 'bundle')

const source = readFileSync(fileURLToPath(import.meta.resolve('@pydantic/genai-prices')), 'utf8')
const data = /^const (\w+) = (\[\n[\s\S]*?\n\]), (\w+) = (\{\n[\s\S]*?\n\});\n/.exec(source)
if (!data) throw new Error('The price list does not begin with its data: adapt slim-prices.mjs')
const [statement, listName, listText, unitsName, unitsText] = data
const read = (text) => new Function(`return ${text}`)()

const providers = read(listText)
  .filter(({ id }) => usedProviders.includes(id))
  .map(({ id, api_pattern, model_match, provider_match, models }) => ({
    id,
    api_pattern,
    model_match,
    provider_match,
    models: models.map(({ id, match, prices }) => ({ id, match, prices })),
  }))
if (providers.length !== usedProviders.length) {
  throw new Error(`The price list lacks one of ${usedProviders}`)
}

const prices = providers
  .flatMap(({ models }) => models.map((model) => model.prices))
  .flatMap((of) => (Array.isArray(of) ? of.map((dated) => dated.prices) : [of]))
const priceKeys = new Set(prices.flatMap(Object.keys))
/** Every unit is compared with every other one when the module is loaded. */
const units = Object.entries(read(unitsText)).filter(
  ([key, { price_key = key }]) => priceKeys.has(price_key) || usedCounts.includes(key),
)

// A text is parsed faster than a literal, and only copied when the module is compiled.
const asText = (value) => `JSON.parse(${JSON.stringify(JSON.stringify(value))})`
const slim = [
  `const ${listName} = ${asText(providers)};\n`,
  `const ${unitsName} = ${asText(Object.fromEntries(units))};\n`,
  // Names of dimensions only need some order; that of a language takes as long to load as all the rest.
  source.slice(statement.length).replace(/(\w+)\.localeCompare\((\w+)\)/g, '($1 < $2 ? -1 : 1)'),
]
mkdirSync(directory, { recursive: true })
const file = join(directory, `prices-${process.pid}.js`)
writeFileSync(file, slim.join(''))
renameSync(file, join(directory, 'prices.js'))
