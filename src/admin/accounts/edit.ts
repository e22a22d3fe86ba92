/** The verbs that change an upstream account: update, toggle, remove, reset. */

import type { Account, AccountInput } from '../../catalog/account.ts'
import { healthFields, healthy } from '../../catalog/account-health.ts'
import type { Stored } from '../../catalog/catalog.ts'
import { checkProxy, isOtherProxy, sealProxy } from '../../catalog/proxy.ts'
import { ensureSealingKey } from '../../catalog/sealing.ts'
import type { Platform } from '../../domain/platform.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { resetHealthScript } from '../../store/scripts/catalog.ts'
import { packAuditEntry } from '../audit/audit.ts'
import { keysBoundTo } from '../keys/list.ts'
import {
  checkPrecondition,
  differences,
  nextUpdatedAt,
  type Precondition,
  retryConflicts,
} from '../patch.ts'
import { type AccountState, findAccount, getAccount, withHealthOf } from './accounts.ts'
import { checkApiUrl, writeAccount } from './store-account.ts'

/** Keys that a refusal to delete an account names at most. */
const maxNamedKeys = 20

/**
 * Changes the given settings of an account and no other; new credentials are sealed.
 * A new credential, address or proxy ends its rest: it is tried again at once.
 * @throws GatewayError `not_found`, `invalid_request` for an address or proxy the gateway may not call,
 * `conflict` when the account is not the one that the edit was made from.
 */
export async function updateAccount(
  gateway: Gateway,
  platform: Platform,
  accountId: string,
  edit: { patch: Partial<AccountInput>; precondition: Precondition; actor: string },
): Promise<AccountState> {
  const { precondition, actor } = edit
  const patch = await sealPatch(gateway, accountId, edit.patch)
  const stored = await change(gateway, platform, accountId, {
    actor,
    action: 'account.updated',
    decide: (current) => {
      checkPrecondition(current, precondition)
      refuseNewOwner(current.record, patch)
      return patch
    },
  })
  if (mends.some((field) => field in patch)) {
    const { runtime, keyspace } = gateway
    await runtime.redis.hdel(keyspace.health(platform), ...healthFields(accountId))
  }
  return withHealthOf(gateway, platform, stored)
}

/** By these an administrator mends an account: what it rests for may be over. */
const mends = ['sealedApiKey', 'apiUrl', 'proxy'] satisfies (keyof Account)[]

/** The patch as it is stored: its addresses checked, its credentials sealed. */
async function sealPatch(
  gateway: Gateway,
  accountId: string,
  { apiKey, proxy: proxyInput, ...settings }: Partial<AccountInput>,
): Promise<Partial<Account>> {
  const { sealer } = gateway
  if (settings.apiUrl !== undefined) checkApiUrl(gateway, settings.apiUrl)
  const proxy = proxyInput && checkProxy(gateway, proxyInput)
  if (apiKey !== undefined || proxy?.auth) await ensureSealingKey(gateway)
  return {
    ...settings,
    ...(proxy !== undefined && { proxy: proxy && sealProxy(proxy, sealer, accountId) }),
    ...(apiKey !== undefined && { sealedApiKey: sealer.seal(apiKey, accountId) }),
  }
}

/** A write-only credential must not be read by pointing its account to somebody else. */
function refuseNewOwner(current: Account, patch: Partial<Account>): void {
  if (patch.sealedApiKey !== undefined) return
  const { origin, protocol } = new URL(patch.apiUrl ?? current.apiUrl)
  const isElsewhere = origin !== new URL(current.apiUrl).origin
  // Within TLS a proxy sees nothing; without it, it reads the credential.
  const isOverheard =
    protocol === 'http:' && !!patch.proxy && isOtherProxy(patch.proxy, current.proxy)
  if (!isElsewhere && !isOverheard) return
  const message = isElsewhere
    ? 'must be given again when apiUrl names another host'
    : 'must be given again when an http apiUrl gets another proxy, which can read it'
  const issues = [{ field: 'apiKey', message }]
  throw new GatewayError('invalid_request', `The field "apiKey" ${message}`, { issues })
}

/** Turns new requests away from an account, or lets them in again. @throws GatewayError `not_found`, `conflict` */
export async function toggleSchedulable(
  gateway: Gateway,
  platform: Platform,
  accountId: string,
  actor: string,
): Promise<AccountState> {
  const stored = await change(gateway, platform, accountId, {
    actor,
    action: 'account.toggled',
    decide: ({ record }) => ({ schedulable: !record.schedulable }),
  })
  return withHealthOf(gateway, platform, stored)
}

/**
 * Deletes an account for good; requests that run on it end as they would have.
 * @param force deletes it even if keys are bound to it; these are refused from then on.
 * @returns the account as it was.
 * @throws GatewayError `not_found`, `conflict`
 */
export async function removeAccount(
  gateway: Gateway,
  platform: Platform,
  accountId: string,
  { force, actor }: { force: boolean; actor: string },
): Promise<Account> {
  await findAccount(gateway, platform, accountId)
  if (!force) await refuseBound(gateway, accountId)
  return retryConflicts(async () => {
    const { record, revision } = await findAccount(gateway, platform, accountId)
    const facts = { before: record, after: null }
    const change = { actor, action: 'account.deleted', record: undefined, accountId, facts }
    return (await writeAccount(gateway, revision, change)) === 'conflict' ? undefined : record
  })
}

/** Ends the cooldown of an account at once, whatever it is for. @throws GatewayError `not_found` */
export async function resetAccountHealth(
  gateway: Gateway,
  platform: Platform,
  accountId: string,
  actor: string,
): Promise<AccountState> {
  const { runtime, keyspace } = gateway
  const { health, ...stored } = await getAccount(gateway, platform, accountId)
  const facts = { before: { ...health }, after: { ...healthy } }
  const entry = packAuditEntry(gateway, {
    actor,
    action: 'account.reset',
    targetId: accountId,
    ...facts,
  })
  const reply = await resetHealthScript(runtime.redis, keyspace, {
    platform,
    fields: healthFields(accountId),
    entry,
  })
  if (reply === 'ok') runtime.log.info('account_reset', { accountId, by: actor })
  return { ...stored, health: healthy }
}

async function refuseBound(gateway: Gateway, accountId: string): Promise<void> {
  const bound = await keysBoundTo(gateway, accountId)
  if (bound.length === 0) return
  const issues = bound
    .slice(0, maxNamedKeys)
    .map(({ id, name }) => ({ field: id, message: `The gateway key "${name}" is bound to it` }))
  const keys = bound.length === 1 ? 'A gateway key is' : `${bound.length} gateway keys are`
  throw new GatewayError('conflict', `${keys} bound to this account; see issues, or use force`, {
    issues,
  })
}

/** Writes the fields that `decide` names, unless they are all as they were. */
function change(
  gateway: Gateway,
  platform: Platform,
  accountId: string,
  edit: {
    actor: string
    action: string
    decide: (stored: Stored<Account>) => Partial<Account>
  },
): Promise<Stored<Account>> {
  const { actor, action, decide } = edit
  return retryConflicts(async () => {
    const stored = await findAccount(gateway, platform, accountId)
    const next = { ...stored.record, ...decide(stored) }
    const facts = differences(stored.record, next)
    if (!facts) return stored
    const record = { ...next, updatedAt: nextUpdatedAt(stored.record, gateway.runtime.now()) }
    const written = { actor, action, record, accountId, facts }
    if ((await writeAccount(gateway, stored.revision, written)) === 'conflict') return undefined
    return { record, revision: stored.revision + 1 }
  })
}
