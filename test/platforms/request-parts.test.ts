import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { renameModel } from '../../src/platforms/request-parts.ts'
import { callOf } from './call.ts'

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe('a renamed model', () => {
  it('changes the value of the model and no other byte', () => {
    const around = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 })
    fc.assert(
      fc.property(around, around, fc.string(), (before, after, model) => {
        const inner = (members: object) => JSON.stringify(members).slice(1, -1)
        const parts = [inner({ b: before }), '"model" : "old"', inner({ c: after })]
        const text = `{ ${parts.join(' , ')} }`
        const renamed = renameModel(callOf({}, text).body, model)
        expect(decode(renamed)).toBe(text.replace('"old"', () => JSON.stringify(model)))
      }),
    )
  })

  it('leaves the original bytes as they are', () => {
    const { body } = callOf({}, '{"model":"old"}')
    renameModel(body, 'a-longer-name')
    expect(decode(body.bytes)).toBe('{"model":"old"}')
  })

  it('of the same name is the same bytes, not a copy', () => {
    const { body } = callOf({}, '{"model":"old"}')
    expect(renameModel(body, 'old')).toBe(body.bytes)
  })
})
