/** The usage of answers from the field, and what it costs by the price list. */
import { createParser } from 'eventsource-parser'
import { describe, expect, it } from 'vitest'
import { anthropic } from '../../../src/dialects/anthropic/messages.ts'
import { priceAnswer } from '../../../src/ledger/answer-price.ts'
import { priceUsage } from '../../../src/ledger/price.ts'
import { createPricer } from '../../../src/ledger/pricer.ts'
import { readFixture } from '../../support/fixtures.ts'

function readCase(name: string, outputLimit?: number) {
  const reader = anthropic.createUsageReader(400, outputLimit)
  const text = readFixture(`cases/${name}`)
  if (name.endsWith('.json')) reader.answer(JSON.parse(text))
  else createParser({ onEvent: (message) => reader.event(message) }).feed(text)
  return reader
}

const costUsd = (name: string, model: string) => {
  const { usage } = readCase(name).total()
  const price = priceUsage({ provider: 'anthropic', model, usage, atMs: Date.UTC(2026, 10, 25) })
  return price === 'unpriced' ? price : price.costNanoUsd / 1e9
}

const event = (fields: object) => `data: ${JSON.stringify(fields)}\n\n`
const start = (usage: object) => event({ type: 'message_start', message: { usage } })
const stop = (usage: object) =>
  event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage }) +
  event({ type: 'message_stop' })
const delta = (fields: object) => event({ type: 'content_block_delta', index: 12, delta: fields })

function readText(text: string, outputLimit?: number) {
  const reader = anthropic.createUsageReader(400, outputLimit)
  createParser({ onEvent: (message) => reader.event(message) }).feed(text)
  return reader.total()
}

describe('the usage of an answer from the field', () => {
  it('keeps the input of the start when the delta has zeros for it', () => {
    expect(readCase('F02-delta-zeros.sse').total()).toMatchObject({
      estimated: false,
      usage: {
        inputTokens: 2_000,
        cacheWrite5mTokens: 1_000,
        cacheWrite1hTokens: 2_000,
        cacheReadTokens: 50_000,
        outputTokens: 100,
      },
    })
    expect(costUsd('F02-delta-zeros.sse', 'claude-sonnet-4-5')).toBe(0.03825)
  })

  it.each(['F03-compaction.sse', 'F03-compaction.json'])('adds the compaction of %s', (name) => {
    const usage = { inputTokens: 203_000, outputTokens: 4_500 }
    expect(readCase(name).total()).toMatchObject({ estimated: false, usage })
    expect(costUsd(name, 'claude-opus-5')).toBe(1.1275)
  })

  it('is complete when the stream ends after its stop reason, and not before it has ended', () => {
    const reader = readCase('F04-no-message_stop.sse')
    expect(reader.state()).toBe('open')
    reader.ended?.()
    expect(reader.state()).toBe('complete')
    const usage = { inputTokens: 10, outputTokens: 5 }
    expect(reader.total()).toMatchObject({ estimated: false, usage })
  })

  it('is not complete when the stream ends without a stop reason', () => {
    const reader = readCase('F12-cut-without-event-lines.sse')
    reader.ended?.()
    expect(reader.state()).toBe('open')
  })

  it('is estimated when all counts are zero, although there is content', () => {
    const usage = { inputTokens: 100, outputTokens: 500 }
    expect(readCase('F09-zero-usage.sse').total()).toMatchObject({ estimated: true, usage })
  })

  it('is estimated from deltas that no line names', () => {
    const name = 'F12-cut-without-event-lines.sse'
    const usage = { inputTokens: 50, outputTokens: 1_000 }
    expect(readCase(name).total()).toMatchObject({ estimated: true, usage })
    expect(costUsd(name, 'claude-sonnet-4-5')).toBe(0.01515)
  })
})

describe('the usage of an upstream that writes it differently', () => {
  it('is read from strings', () => {
    const text = start({ input_tokens: '12', cache_read_input_tokens: '300' })
    expect(readText(text + stop({ output_tokens: '7' }))).toMatchObject({
      estimated: false,
      usage: { inputTokens: 12, cacheReadTokens: 300, outputTokens: 7 },
    })
    const broken = start({ input_tokens: '1e9', output_tokens: '-3' }) + stop({})
    expect(readText(broken)).toMatchObject({ estimated: true, usage: { inputTokens: 100 } })
  })

  it("is read from OpenAI's names, of which the prompt includes what came from the cache", () => {
    const usage = { prompt_tokens: 1_200, completion_tokens: 40 }
    const cached = { prompt_tokens_details: { cached_tokens: 1_000 } }
    const reader = anthropic.createUsageReader(400)
    reader.answer({ type: 'message', content: [], usage: { ...usage, ...cached } })
    expect(reader.total()).toMatchObject({
      estimated: false,
      usage: { inputTokens: 200, cacheReadTokens: 1_000, outputTokens: 40 },
    })
    expect(readText(start({ prompt_tokens: 9 }) + stop(usage))).toMatchObject({
      estimated: false,
      usage: { inputTokens: 1_200, outputTokens: 40 },
    })
  })

  it("is read from Anthropic's names where both are there, unless those are zero", () => {
    const both = { input_tokens: 5, prompt_tokens: 6, output_tokens: 7, completion_tokens: 8 }
    expect(readText(start(both) + stop({}))).toMatchObject({
      usage: { inputTokens: 5, outputTokens: 7 },
    })
    const zeros = { ...both, input_tokens: 0, output_tokens: 0 }
    expect(readText(start(zeros) + stop({}))).toMatchObject({
      usage: { inputTokens: 6, outputTokens: 8 },
    })
  })
})

describe('the runs of other models', () => {
  const counts = { input_tokens: 1_000, output_tokens: 100, cache_read_input_tokens: 10_000 }
  const advisor = { type: 'advisor_message', model: 'claude-opus-5', ...counts }
  const fallback = { type: 'fallback_message', model: 'claude-opus-4-8', ...counts }
  const total = (usage: object, iterations: object[]) =>
    readText(start({ input_tokens: 1 }) + stop({ ...usage, iterations }))
  const costOf = ({ usage, otherModels = [] }: ReturnType<typeof total>, model: string) =>
    priceAnswer(createPricer(), {
      provider: 'anthropic',
      model,
      usage,
      otherModels,
      atMs: Date.UTC(2026, 10, 25),
    })
  const alone = (model: string) => costOf(total(counts, []), model).costNanoUsd

  it('of an advisor are no part of the usage, and cost what its model costs', () => {
    const found = total(counts, [{ type: 'message', ...counts }, advisor, advisor])
    expect(found.usage).toMatchObject({ inputTokens: 1_000, cacheReadTokens: 10_000 })
    expect(found.otherModels).toMatchObject([
      {
        model: 'claude-opus-5',
        isIncluded: false,
        usage: { inputTokens: 2_000, outputTokens: 200 },
      },
    ])
    const expected = alone('claude-sonnet-4-6') + 2 * alone('claude-opus-5')
    expect(costOf(found, 'claude-sonnet-4-6')).toMatchObject({
      costNanoUsd: expected,
      isPriced: true,
      unpriced: [],
    })
  })

  it('of the fallback that answered are part of the usage, and cost what its model costs', () => {
    const declined = { type: 'message', model: 'claude-fable-5', input_tokens: 900 }
    const found = total(counts, [declined, fallback])
    expect(found.usage).toMatchObject({ inputTokens: 1_000, outputTokens: 100 })
    expect(costOf(found, 'claude-fable-5').costNanoUsd).toBe(alone('claude-opus-4-8'))
  })

  it('of a model without a price are named, and cost nothing', () => {
    const found = total(counts, [{ ...advisor, model: 'claude-nobody' }])
    expect(costOf(found, 'claude-sonnet-4-6')).toMatchObject({
      costNanoUsd: alone('claude-sonnet-4-6'),
      isPriced: true,
      unpriced: ['claude-nobody'],
    })
  })

  it('are few, with names and counts that can be', () => {
    const others = Array.from({ length: 2_000 }, (_, i) => ({ ...advisor, model: `m${i}` }))
    expect(total(counts, others).otherModels).toHaveLength(8)
    const wrong = [
      { ...advisor, model: 'x'.repeat(257) },
      { ...advisor, model: null },
      { ...advisor, input_tokens: 9_999_999 },
    ]
    expect(total(counts, wrong).otherModels).toBeUndefined()
  })
})

describe('an estimate of the output', () => {
  const text = 'x'.repeat(400)
  it.each([
    ['text', { type: 'text_delta', text }, 100],
    ['thinking', { type: 'thinking_delta', thinking: text }, 100],
    ['the input of a tool', { type: 'input_json_delta', partial_json: text }, 100],
    ['no signature', { type: 'signature_delta', signature: text }, 0],
  ])('counts %s, whether or not a line names the event', (_, fields, outputTokens) => {
    for (const line of ['', 'event: content_block_delta\n']) {
      const { usage, estimated } = readText(line + delta(fields))
      expect({ estimated, outputTokens: usage.outputTokens }).toEqual({
        estimated: true,
        outputTokens,
      })
    }
  })

  it('counts what a block begins with', () => {
    const block = (fields: object) =>
      event({ type: 'content_block_start', index: 0, content_block: fields })
    const begun = block({ type: 'text', text }) + block({ type: 'thinking', thinking: text })
    const tools =
      block({ type: 'tool_use', id: 'toolu_1', name: 'a', input: {} }) +
      block({ type: 'tool_use', id: 'toolu_2', name: 'a', input: { a: 'x'.repeat(392) } })
    const rest = delta({ type: 'text_delta', text })
    expect(readText(begun + tools + rest)).toMatchObject({
      estimated: true,
      usage: { outputTokens: 400 },
    })
  })

  it('counts the same of a whole message, and no redacted block', () => {
    const reader = anthropic.createUsageReader(400)
    reader.answer({
      type: 'message',
      content: [
        { type: 'thinking', thinking: text, signature: text },
        { type: 'redacted_thinking', data: text },
        { type: 'text', text },
        { type: 'tool_use', id: 'toolu_1', name: 'a', input: { a: 'x'.repeat(392) } },
      ],
    })
    expect(reader.total()).toMatchObject({ estimated: true, usage: { outputTokens: 300 } })
  })
})

describe('a count that cannot be', () => {
  it('is not believed beyond the context of any model', () => {
    const huge = start({ input_tokens: 10_000_001, output_tokens: 1 }) + stop({ output_tokens: 5 })
    expect(readText(huge)).toMatchObject({ estimated: true, usage: { inputTokens: 100 } })
    const sum = { input_tokens: 6_000_000, cache_read_input_tokens: 6_000_000 }
    expect(readText(start(sum) + stop({ output_tokens: 5 }))).toMatchObject({
      estimated: true,
      usage: { inputTokens: 100, cacheReadTokens: 0 },
    })
  })

  it('is not believed beyond max_tokens, but for each run of the model', () => {
    const content = delta({ type: 'text_delta', text: 'x'.repeat(40) })
    const answer = (fields: object) =>
      readText(start({ input_tokens: 9 }) + content + stop({ output_tokens: 200, ...fields }), 100)
    expect(answer({})).toMatchObject({ estimated: true, usage: { outputTokens: 100 } })
    const run = { type: 'message', input_tokens: 9, output_tokens: 100 }
    const believed = { estimated: false, usage: { outputTokens: 200 } }
    expect(answer({ iterations: [run, run] })).toMatchObject(believed)
  })

  it('takes the input of a delta when it is one', () => {
    const placeholder = start({ input_tokens: 52_000, output_tokens: 1 })
    const counts = { input_tokens: 2_000, cache_read_input_tokens: 50_000, output_tokens: 5 }
    expect(readText(placeholder + stop(counts))).toMatchObject({
      estimated: false,
      usage: { inputTokens: 2_000, cacheReadTokens: 50_000, outputTokens: 5 },
    })
  })
})
