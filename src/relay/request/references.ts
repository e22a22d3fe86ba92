/** References: what a body refers to that only the account which issued it can serve (protocol facts §2.7, §3.6). */
import type { KeyVisitor } from '../../dialects/json-scan.ts'

/** What was found below the top level of a body. */
export interface References {
  /** Reasoning or a compaction that OpenAI encrypted for the organisation of one account. */
  hasEncryptedContent: boolean
  hasFile: boolean
  /** Where the id of the first container is that a tool runs in. */
  containerStart: number | undefined
}

export const noReferences: References = {
  hasEncryptedContent: false,
  hasFile: false,
  containerStart: undefined,
}

/** Deeper names belong to what a tool was called with. */
const maxFileDepth = 6

const quoted = (name: string) => new TextEncoder().encode(`"${name}"`)
const encryptedContent = quoted('encrypted_content')
const fileId = quoted('file_id')
const container = quoted('container')
const quote = 0x22
const filePrefix = new TextEncoder().encode('"file')

function isAt(body: Uint8Array, start: number, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (body[start + i] !== bytes[i]) return false
  return true
}

/** Looks at the names that a scan passes; the work for each is bounded by the names that it looks for. */
export function createReferences(body: Uint8Array): { onKey: KeyVisitor; found: References } {
  const found = { ...noReferences }
  const isText = (start: number) => body[start] === quote && body[start + 1] !== quote
  return {
    found,
    onKey(start, valueStart, depth, member) {
      if (member === 'tools') {
        if (depth !== 3 || found.containerStart !== undefined) return
        if (isAt(body, start, container) && isText(valueStart)) found.containerStart = valueStart
      } else if (member === 'input' || member === 'messages') {
        if (member === 'input' && depth === 3 && isAt(body, start, encryptedContent)) {
          found.hasEncryptedContent ||= isText(valueStart)
        } else if (depth <= maxFileDepth && isAt(body, start, fileId)) {
          found.hasFile ||= isAt(body, valueStart, filePrefix)
        }
      }
    },
  }
}
