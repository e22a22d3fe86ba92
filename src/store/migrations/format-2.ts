/** Format 2: the usage ledger as rows and roll-ups, in place of one ledger per key, account and model. */
import type { Redis } from '@upstash/redis'
import { type Sums, sumFields } from '../../domain/sums.ts'
import { type Keyspace, ttl } from '../keyspace.ts'
import { quote } from '../lua/budget.ts'
import { keySumsFields } from '../lua/charge.ts'
import { sumsByHash } from '../lua/sums-by-hash.ts'
import { packSums, sumsCodec, unpackSums } from '../records/sums.ts'
import { keyRow, unknownClient } from '../records/usage-row.ts'
import { toFields } from '../rows.ts'
import { callScript, defineScript } from '../script.ts'
import type { Migration } from './migration.ts'

/**
 * Old ledgers are sums by key, by account, by model, and by key and model: their days and months become
 * those of the roll-ups. Which account served which key is not known, nor which client: these are empty
 * and `unknown`. Hours are left out, as the old ones do not tell the two hours that a change of clocks
 * makes of one. What a key has in total beyond its months and models becomes an entry without a model.
 */
export const toFormat2: Migration = {
  to: 2,
  async run(redis, keyspace) {
    const found = await findLedgers(redis, keyspace)
    for (const [keyId, models] of found.keys) await moveKey(redis, keyspace, keyId, models)
    for (const id of found.accounts) await moveMarginal(redis, keyspace, 'account', id)
    for (const model of found.models) await moveMarginal(redis, keyspace, 'model', model)
  },
}

interface OldLedgers {
  /** The models of each key. */
  keys: Map<string, string[]>
  accounts: string[]
  models: string[]
}

const keysPerScan = 5_000

async function findLedgers(redis: Redis, { oldLedgers }: Keyspace): Promise<OldLedgers> {
  const found: OldLedgers = { keys: new Map(), accounts: [], models: [] }
  let cursor = '0'
  do {
    const page = await redis.scan(cursor, { match: `${oldLedgers}*`, count: keysPerScan })
    cursor = String(page[0])
    for (const name of new Set(page[1])) noteLedger(found, name.slice(oldLedgers.length))
  } while (cursor !== '0')
  return found
}

function noteLedger({ keys, accounts, models }: OldLedgers, name: string): void {
  const [, scope, id = ''] = /^(key|account|model|key-model):(.*)$/s.exec(name) ?? []
  if (scope === 'account') accounts.push(id)
  else if (scope === 'model') models.push(id)
  else if (scope === 'key') keys.set(id, keys.get(id) ?? [])
  else if (scope === 'key-model') {
    const at = id.indexOf(':')
    const ofKey = keys.get(id.slice(0, at)) ?? []
    keys.set(id.slice(0, at), [...ofKey, id.slice(at + 1)])
  }
}

/** Sums for one field of one roll-up. */
interface Entry {
  scale: 'days' | 'months'
  /** `2026-11-22` or `2026-11`. */
  period: string
  view: string
  /** The field without its period. */
  name: string
  sums: string
}

async function moveKey(
  redis: Redis,
  keyspace: Keyspace,
  keyId: string,
  models: string[],
): Promise<void> {
  const { oldLedgers } = keyspace
  const ledger = `${oldLedgers}key:${keyId}`
  const modelLedgers = models.map((model) => `${oldLedgers}key-model:${keyId}:${model}`)
  const [whole, ...byModel] = await readLedgers(redis, [ledger, ...modelLedgers])
  const periods = periodsOf(whole ?? new Map())
  const entries = [...periods].flatMap(([period, sums]): Entry[] => {
    const scale = scaleOf(period)
    const views = { all: '', key: keyId, client: unknownClient }
    const marginals = Object.entries(views).map(([view, name]): Entry => {
      return { scale, period, view, name, sums: packSums(sums) }
    })
    const ofModels = byModel.map((fields) => periodsOf(fields).get(period) ?? unpackSums(''))
    const rest = ofModels.reduce(minus, sums)
    const rows = [...ofModels, rest].map((part, i): Entry => {
      const row = { accountId: '', client: unknownClient, group: '', model: models[i] ?? '' }
      return { scale, period, view: `key:${keyId}`, name: keyRow.encode(row), sums: packSums(part) }
    })
    return [...marginals, ...rows]
  })
  const latest = (length: number) => latestOf(periods, length)
  await move(redis, keyspace, {
    ledgers: [ledger, ...modelLedgers],
    entries: entries.filter(({ sums }) => /[1-9]/.test(sums)),
    counters: keyspace.keyCounters(keyId),
    sums: {
      totalSums: whole?.get('total') ?? '',
      daySums: latest('2026-11-22'.length),
      monthSums: latest('2026-11'.length),
    },
  })
}

async function moveMarginal(
  redis: Redis,
  keyspace: Keyspace,
  view: 'account' | 'model',
  name: string,
): Promise<void> {
  const ledger = `${keyspace.oldLedgers}${view}:${name}`
  const [fields] = await readLedgers(redis, [ledger])
  const entries = [...periodsOf(fields ?? new Map())].map(([period, sums]): Entry => {
    return { scale: scaleOf(period), period, view, name, sums: packSums(sums) }
  })
  await move(redis, keyspace, {
    ledgers: [ledger],
    entries,
    counters: keyspace.keyCounters(''),
    sums: { totalSums: '', daySums: '', monthSums: '' },
  })
}

const scaleOf = (period: string) => (period.length === '2026-11'.length ? 'months' : 'days')

/**
 * The days and months of a ledger. What its total holds beyond its months, which are all kept, is added
 * to the first month: so the months are the total.
 */
function periodsOf(fields: Map<string, string>): Map<string, Sums> {
  const periods = new Map<string, Sums>()
  for (const [field, packed] of fields) {
    const [, period] = /^(?:day|month):(\d{4}-\d\d(?:-\d\d)?)$/.exec(field) ?? []
    if (period) periods.set(period, unpackSums(packed))
  }
  const months = [...periods.keys()].filter((period) => scaleOf(period) === 'months').sort()
  const [first] = months
  if (first === undefined) return periods
  const opening = months
    .map((month) => periods.get(month) ?? unpackSums(''))
    .reduce(minus, unpackSums(fields.get('total')))
  const none = unpackSums('')
  periods.set(first, minus(periods.get(first) ?? none, minus(none, opening)))
  return periods
}

function minus(sums: Sums, other: Sums): Sums {
  const entries = sumFields.map((field) => [field, sums[field] - other[field]] as const)
  return Object.fromEntries(entries) as Sums
}

/** The sums of the latest day or month, with its name, as the counters of a key keep them. */
function latestOf(periods: Map<string, Sums>, length: number): string {
  const latest = [...periods.keys()]
    .filter((period) => period.length === length)
    .sort()
    .at(-1)
  if (latest === undefined) return ''
  const kind = scaleOf(latest) === 'months' ? 'month' : 'day'
  return `${kind}:${latest}|${packSums(periods.get(latest) ?? {})}`
}

async function readLedgers(redis: Redis, names: string[]): Promise<Map<string, string>[]> {
  const pipeline = redis.pipeline()
  for (const name of names) pipeline.hgetall(name)
  const rows = (await pipeline.exec()) as unknown as (string[] | null)[]
  return rows.map((texts) => toFields(texts ?? []))
}

/** Nothing else changes the old ledgers any more, so they are read first, and moved in one step. */
const script = defineScript({
  keys: ['counters'],
  keyRows: { hashes: ['hash'] },
  args: {
    ledgerCount: 'number',
    keepMs: 'number',
    sums: { totalSums: 'text', daySums: 'text', monthSums: 'text' },
  },
  argRows: { entries: { hash: 'number', field: 'text', sums: 'text', isDay: 'flag' } },
  replies: { moved: {} },
  format: '2 converting',
  libraries: [sumsCodec, sumsByHash],
  lua: `
local ledgers = {}
for i = 1, args.ledgerCount do ledgers[i] = keys.hashes[i].hash end
-- Another host has moved them.
if redis.call('EXISTS', unpack(ledgers)) == 0 then return reply.moved({}) end
local isDays = {}
for _, entry in ipairs(args.entries) do
  local key = keys.hashes[entry.hash].hash
  addTo(key, entry.field, changesOf(entry.sums, 1))
  isDays[key] = entry.isDay
end
saveSums()
for _, key in ipairs(hashes) do
  if isDays[key] then redis.call('PEXPIRE', key, int(args.keepMs)) end
end
for _, field in ipairs({ ${keySumsFields.map(quote).join(', ')} }) do
  if args.sums[field] ~= '' then redis.call('HSET', keys.counters, field, args.sums[field]) end
end
redis.call('DEL', unpack(ledgers))
return reply.moved({})
`,
})

const day = 24 * 60 * 60 * 1000

interface Move {
  ledgers: string[]
  entries: Entry[]
  counters: string
  sums: { totalSums: string; daySums: string; monthSums: string }
}

async function move(redis: Redis, keyspace: Keyspace, given: Move): Promise<void> {
  const { ledgers, counters, sums } = given
  const places = given.entries.map(({ scale, period, view, name, sums }) => {
    const length = scale === 'days' ? 7 : 4
    const key = keyspace.usage.rollUp(scale, period.slice(0, length), view)
    const part = period.slice(length + 1)
    return { key, field: name === '' ? part : `${part}|${name}`, sums, isDay: scale === 'days' }
  })
  const hashes = [...ledgers, ...new Set(places.map(({ key }) => key))]
  await callScript(redis, keyspace, script, {
    keys: { counters, hashes: hashes.map((hash) => ({ hash })) },
    args: {
      ledgerCount: ledgers.length,
      keepMs: ttl.dayBucketMs + 32 * day,
      sums,
      entries: places.map(({ key, ...entry }) => ({ ...entry, hash: hashes.indexOf(key) + 1 })),
    },
  })
}
