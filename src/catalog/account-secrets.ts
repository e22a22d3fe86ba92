/** The secrets of accounts in plain text, opened once and kept as long as the catalog keeps the record. */
import type { Sealer } from '../crypto.ts'
import type { OutboundProxy } from '../runtime.ts'
import type { Account } from './account.ts'
import { openProxy } from './proxy.ts'

/** What an account is called with. */
export interface AccountSecrets {
  credential: string
  proxy: OutboundProxy | undefined
}

/** @throws SealError when the secrets cannot be read with this gateway's key. */
export type OpenSecrets = (account: Account) => AccountSecrets

export function createSecretOpener(sealer: Sealer): OpenSecrets {
  const opened = new WeakMap<Account, AccountSecrets>()
  return (account) => {
    const known = opened.get(account)
    if (known) return known
    const secrets = {
      credential: sealer.unseal(account.sealedApiKey, account.id),
      proxy: openProxy(account.proxy, sealer, account.id),
    }
    opened.set(account, secrets)
    return secrets
  }
}
