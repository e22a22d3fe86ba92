/** Examples of request bodies, for operations whose schema brings none of its own. */

/** By method and path. */
export const bodyExamples: Record<string, Record<string, unknown>> = {
  'post /api/v2/keys': {
    name: 'Ada, laptop',
    tags: ['team-a'],
    permissions: 'claude',
    concurrencyLimit: 5,
    rateLimitWindow: 1,
    rateLimitRequests: 60,
  },
  'put /api/v2/keys/{id}': { isActive: true, dailyCostLimit: 20, tags: ['team-b'] },
  'put /api/v2/accounts/{platform}/{id}': { priority: 20, maxConcurrency: 10 },
  'post /api/v2/accounts/{platform}/{id}/test': { model: 'claude-sonnet-4-5' },
  'post /api/v2/accounts/{platform}': {
    name: 'main',
    apiUrl: 'https://api.anthropic.com',
    apiKey: 'sk-ant-xxx',
    priority: 50,
    maxConcurrency: 20,
  },
}
