/** Whether ADMIN_PASSWORD is what opens the administration. */
import { readCredentials } from '../../admin/session/credentials.ts'
import { verifyPassword } from '../../crypto.ts'
import type { Gateway } from '../../gateway.ts'
import type { Question } from './question.ts'

/** Costs one scrypt where ADMIN_PASSWORD is set; changes nothing. */
export async function checkAdminPassword(gateway: Gateway): Promise<Question[]> {
  const { ADMIN_USERNAME: username, ADMIN_PASSWORD: password } = gateway.runtime.config
  if (password === undefined) return []
  const stored = await readCredentials(gateway, username)
  if (!stored || (await verifyPassword(password, stored.passwordHash))) return []
  const message =
    'It is not the password of the stored admin: it is used only while there is none; change a password with POST /api/v2/auth/change-password'
  return [{ setting: 'ADMIN_PASSWORD', message }]
}
