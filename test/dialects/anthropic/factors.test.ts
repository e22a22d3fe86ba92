import { createParser } from 'eventsource-parser'
import { describe, expect, it } from 'vitest'
import { createUsageReader } from '../../../src/dialects/anthropic/usage.ts'

const event = (fields: object) => `data: ${JSON.stringify(fields)}\n\n`

function factorsOf(...events: object[]) {
  const reader = createUsageReader(100)
  const parser = createParser({ onEvent: (message) => reader.event(message) })
  for (const one of events) parser.feed(event(one))
  return reader.total().factors
}

describe('the price factors of an Anthropic answer', () => {
  it('are its model, speed, geography and tier, the last of each that is named', () => {
    const usage = { input_tokens: 1, output_tokens: 1, service_tier: 'standard' }
    const start = { type: 'message_start', message: { model: 'claude-opus-5', usage } }
    const last = { speed: 'fast', inference_geo: 'us', service_tier: 'batch', output_tokens: 5 }
    expect(factorsOf(start)).toEqual({ servedModel: 'claude-opus-5', serviceTier: 'standard' })
    expect(factorsOf(start, { type: 'message_delta', delta: {}, usage: last })).toEqual({
      servedModel: 'claude-opus-5',
      speed: 'fast',
      inferenceGeo: 'us',
      serviceTier: 'batch',
    })
  })

  it('are read from a JSON answer too', () => {
    const reader = createUsageReader(100)
    const usage = { input_tokens: 1, output_tokens: 1, speed: 'fast' }
    reader.answer({ type: 'message', model: 'claude-opus-5-5', content: [], usage })
    expect(reader.total().factors).toEqual({ servedModel: 'claude-opus-5-5', speed: 'fast' })
  })

  it('are absent where they are no short words', () => {
    const usage = { input_tokens: 1, speed: 7, inference_geo: null, service_tier: 'x'.repeat(300) }
    const message = { model: { name: 'm' }, usage }
    expect(factorsOf({ type: 'message_start', message })).toEqual({})
  })
})
