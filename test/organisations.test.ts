import { expect, it } from 'vitest'
import { createOrganisations } from '../src/organisations.ts'

const naming = (name: string, header = 'anthropic-organization-id') =>
  new Headers({ [header]: name })

it('accounts whose answers name one organisation share a number, and one alone has none', () => {
  const organisations = createOrganisations()
  organisations.learn('a', naming('x'))
  organisations.learn('b', new Headers())
  expect(['a', 'b', 'c'].map(organisations.of)).toEqual([undefined, undefined, undefined])
  organisations.learn('b', naming('x'))
  organisations.learn('c', naming('y'))
  organisations.learn('d', naming('y', 'openai-organization'))
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(organisations.of)
  expect(a).toBeDefined()
  expect(b).toBe(a)
  expect(d).toBe(c)
  expect(c).not.toBe(a)
})

it('an account that is moved to another organisation leaves the first, and only news changes the version', () => {
  const organisations = createOrganisations()
  for (const id of ['a', 'b']) organisations.learn(id, naming('x'))
  const { version } = organisations
  organisations.learn('a', naming('x'))
  organisations.learn('a', new Headers())
  expect(organisations.version).toBe(version)
  organisations.learn('a', naming('z'))
  expect(organisations.version).not.toBe(version)
  expect(['a', 'b'].map(organisations.of)).toEqual([undefined, undefined])
})
