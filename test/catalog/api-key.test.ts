import { describe, expect, it } from 'vitest'
import { ApiKeySettings, settingIssues } from '../../src/catalog/api-key.ts'

const fields = (given: object) =>
  settingIssues(ApiKeySettings.parse({ name: 'key', ...given })).map(({ field }) => field)

describe('the settings of a key', () => {
  it.each([
    [{ rateLimitRequests: 5 }, 'rateLimitWindow'],
    [{ rateLimitCost: 5 }, 'rateLimitWindow'],
    [{ expirationMode: 'activation' }, 'activationDays'],
    [{ enableModelRestriction: true }, 'restrictedModels'],
    [{ enableClientRestriction: true }, 'allowedClients'],
  ])('%o would have no effect, or serve nobody: the fault is in %s', (given, field) => {
    expect(fields(given)).toEqual([field])
  })

  it.each([
    [{}],
    [{ rateLimitWindow: 1, rateLimitRequests: 5, rateLimitCost: 1 }],
    [{ expirationMode: 'activation', activationDays: 1 }],
    [{ enableModelRestriction: true, restrictedModels: ['claude-*'] }],
    [{ restrictedModels: [], allowedClients: [] }],
  ])('%o are fine', (given) => {
    expect(fields(given)).toEqual([])
  })
})
