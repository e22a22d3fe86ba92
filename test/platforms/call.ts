/** A call to an account, as the relay hands it to a platform. */
import type { Account } from '../../src/catalog/account.ts'
import { AccountSettings } from '../../src/catalog/account.ts'
import { runAtOnce } from '../../src/dialects/json-scan.ts'
import type { AccountCall } from '../../src/platforms/platform.ts'
import { readHints } from '../../src/relay/request/hints.ts'

export const accountOf = (fields: Partial<Account> = {}): Account => ({
  ...AccountSettings.parse({ name: 'account', apiUrl: 'https://api.test' }),
  id: 'account-1',
  platform: 'claude-console',
  sealedApiKey: '',
  proxy: null,
  createdAt: '',
  updatedAt: '',
  ...fields,
})

/** @param body JSON text of the request. */
export function callOf(fields: Partial<AccountCall> = {}, body = '{"model":"m"}'): AccountCall {
  const bytes = new TextEncoder().encode(body)
  const { model, modelStart, modelEnd } = runAtOnce(readHints(bytes))
  return {
    account: accountOf(),
    credential: 'sk-ant-1',
    operation: 'messages',
    method: 'POST',
    subpath: '',
    headers: new Headers({ 'content-type': 'application/json' }),
    search: '',
    body: { bytes, model, modelStart, modelEnd },
    upstreamModel: model,
    signal: new AbortController().signal,
    ...fields,
  }
}
