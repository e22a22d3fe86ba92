/** Calls the code of a platform that judges an answer: a mistake in it is told, and ends no request. */
import type { AccountFailure } from '../../domain/account-failure.ts'
import { accountFailure } from '../../domain/cooldowns.ts'
import type { Platform } from '../../platforms/platform.ts'
import type { Runtime } from '../../runtime.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'

/** What `classify` says of the answer of an account; when it throws, that the answer was a bad one. Never throws. */
export function classifySafely(
  { observe }: Pick<Runtime, 'observe'>,
  { account, platform }: Pick<PlannedAccount, 'account' | 'platform'>,
  classify: (platform: Platform) => AccountFailure | undefined,
): AccountFailure | undefined {
  try {
    return classify(platform)
  } catch (error) {
    observe({ type: 'platform_failed', platform: platform.id, accountId: account.id, error })
    return { ...accountFailure('bad_answer'), scope: 'none' }
  }
}
