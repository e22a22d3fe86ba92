import { describe, expect, it } from 'vitest'
import { familyOfName, modelFamily } from '../../src/domain/model-family.ts'

describe('the family of a model', () => {
  it.each([
    ['claude-opus-4-5', 'opus'],
    ['claude-3-5-haiku-20241022', 'haiku'],
    ['anthropic/claude-sonnet-4.6', 'sonnet'],
    ['claude-2.1', 'claude'],
    ['glm-4.6', 'glm'],
    ['zai-org/GLM-4.6-Air', 'glm'],
    ['kimi-k2', 'kimi'],
    ['kimi-k2-thinking', 'kimi'],
    ['qwen3-coder-plus', 'qwen'],
    ['gpt-5.1-codex', 'gpt'],
    ['o3-mini', 'o'],
  ])('is its name up to the version: %s is %s', (model, family) => {
    expect(modelFamily(model)).toBe(family)
    expect(familyOfName(model)).toBe(family)
  })

  it('is other for a name that callers may have invented, unless an administrator has written it', () => {
    expect(modelFamily('acme-7b')).toBe('other')
    expect(familyOfName('acme-7b')).toBe('acme')
  })

  it.each(['', '7b', 'vendor/', '4.6-glm', '|', '/'])(
    'is other where a name tells none: %s',
    (model) => {
      expect(modelFamily(model)).toBe('other')
      expect(familyOfName(model)).toBe('other')
    },
  )
})
