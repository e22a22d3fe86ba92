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
  'put /api/v2/accounts/{platform}/{id}': { priority: 20, dailyQuota: 25, proxy: null },
  'post /api/v2/accounts/{platform}/{id}/test': { model: 'claude-sonnet-4-5' },
  'post /api/v2/accounts/{platform}': {
    name: 'main',
    apiUrl: 'https://api.anthropic.com',
    apiKey: 'sk-ant-xxx',
    maxConcurrency: 20,
    dailyQuota: 50,
    quotaResetTime: '08:30',
    proxy: {
      protocol: 'socks5',
      host: 'proxy.example.com',
      port: 1080,
      auth: { username: 'gateway', password: 'xxx' },
    },
  },
}
