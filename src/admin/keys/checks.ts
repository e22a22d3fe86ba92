/** What is checked of a gateway key before it is written. */
import { type ApiKey, type ApiKeySettings, settingIssues } from '../../catalog/api-key.ts'
import { GatewayError, type Issue } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'

/** @throws GatewayError `invalid_request` when settings contradict each other; it names the fields. */
export function checkSettings(settings: ApiKeySettings): void {
  const issues = settingIssues(settings)
  const [first] = issues
  if (!first) return
  const message = `The field "${first.field}" ${first.message}`
  throw new GatewayError('invalid_request', message, { issues })
}

/** @throws GatewayError `invalid_request` when a bound account does not exist on its platform. */
export async function checkBoundAccounts(
  gateway: Gateway,
  settings: Partial<ApiKeySettings>,
): Promise<void> {
  const bound = gateway.platforms.all.flatMap(({ id, boundAccountField: field }) => {
    const accountId = settings[field]
    return typeof accountId === 'string' ? [{ platform: id, field, accountId }] : []
  })
  if (bound.length === 0) return
  const { accounts } = await gateway.catalog.loadPool()
  const issues = bound
    .filter(({ platform, accountId }) => accounts.get(accountId)?.record.platform !== platform)
    .map(({ platform, field }): Issue => ({ field, message: `No ${platform} account has this id` }))
  if (issues.length === 0) return
  throw new GatewayError('invalid_request', 'The key is bound to an unknown account', { issues })
}

/** @throws GatewayError `conflict` */
export function refuseDeleted(record: ApiKey): void {
  if (!record.isDeleted) return
  throw new GatewayError('conflict', 'The gateway key is deleted; restore it first')
}
