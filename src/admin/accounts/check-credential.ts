/** Whether an account may have a credential. */
import { GatewayError } from '../../errors.ts'
import { subscriptionFault } from '../../platforms/registry.ts'

/** @throws GatewayError `invalid_request` for a token of a personal subscription. */
export function checkCredential(apiKey: string): void {
  const message = subscriptionFault(apiKey)
  if (message === undefined) return
  const issues = [{ field: 'apiKey', message }]
  throw new GatewayError('invalid_request', `The field "apiKey" ${message}`, { issues })
}
