/** Keeps the credential of an account out of what its upstream says of a request: some quote it. */
import { copied } from '../../bytes.ts'
import type { Account } from '../../catalog/account.ts'
import type { AccountSecrets } from '../../catalog/account-secrets.ts'
import type { Outcome, Refusal } from './outcome.ts'
import { redact } from './vendor-words.ts'

const hidden = '[hidden]'
/** A shorter one is no secret, and could be part of any word. */
const minCharacters = 8

/** The outcome without the secrets of its account in what its upstream says. */
export function hideSecrets(outcome: Outcome, account: Account, secrets: AccountSecrets): Outcome {
  const hidden = hideCredential(outcome, secrets.credential)
  if (hidden.kind !== 'failure' || hidden.said === undefined) return hidden
  return { ...hidden, said: redact(hidden.said, account.apiUrl, secrets) }
}

/**
 * The outcome with the credential replaced by `[hidden]` where the upstream refuses the request, in its
 * body, its headers or the error event that a stream begins with. What holds no credential keeps its bytes.
 */
function hideCredential(outcome: Outcome, credential: string): Outcome {
  if (credential.length < minCharacters) return outcome
  if (outcome.kind === 'refusal') return hideInRefusal(outcome, formsOf(credential))
  if (outcome.kind === 'failure' && outcome.refusal) {
    return { ...outcome, refusal: hideInRefusal(outcome.refusal, formsOf(credential)) }
  }
  if (outcome.kind === 'stream' && outcome.stream.isRefusal) {
    const { stream } = outcome
    // Two parts may share it between them.
    return {
      ...outcome,
      stream: { ...stream, held: [hideInBytes(copied(stream.held), formsOf(credential))] },
    }
  }
  return outcome
}

function hideInRefusal(refusal: Refusal, forms: string[]): Refusal {
  const { body, headers } = refusal
  for (const [name, value] of [...headers]) {
    const shown = hide(value, forms)
    if (shown !== value) headers.set(name, shown)
  }
  return { ...refusal, body: body && hideInBytes(body, forms) }
}

/** As it is, and as it stands in JSON, where a solidus may be escaped as well (RFC 8259 §7). */
function formsOf(credential: string): string[] {
  const inJson = JSON.stringify(credential).slice(1, -1)
  return [...new Set([credential, inJson, inJson.replaceAll('/', '\\/')])]
}

/** The same for one text. */
export function hideInText(text: string, credential: string): string {
  return credential.length < minCharacters ? text : hide(text, formsOf(credential))
}

const hide = (text: string, forms: string[]): string =>
  forms.reduce((shown, form) => shown.replaceAll(form, hidden), text)

function hideInBytes(bytes: Uint8Array<ArrayBuffer>, forms: string[]): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  const shown = hide(text, forms)
  return shown === text ? bytes : new TextEncoder().encode(shown)
}
