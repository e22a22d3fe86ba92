/** The record of a sticky session: its primary account, and the account that serves it now. */
import { definePacked } from './packed.ts'

/**
 * `primary` is the account whose prompt cache holds the conversation, `servedMs` when it last took a
 * request of it (0: never), `previousMs` when before that, should that request fail there. `current` is
 * the account that serves the session now. The order is format 1 of the store.
 */
export const session = definePacked('Session', {
  primary: 'text',
  servedMs: 'number',
  previousMs: 'number',
  current: 'text',
  moves: 'number',
})
