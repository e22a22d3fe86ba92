/** The models of a vendor that the overlay or the kept price list names. */
import { findProvider } from '@pydantic/genai-prices'
import { overlayRows } from './overlay.ts'
import type { PriceProvider } from './price-card.ts'

/** Of both vendors, the models that answer in text through the APIs that are relayed. */
const textModels = /^(claude-|gpt-|o\d|codex-|chatgpt-)/
const otherModels = /audio|image|realtime|transcribe|tts|search-preview|vision|instruct|^ft:|:/

/** Their ids, as the tables have them, each once. */
export function knownModels(provider: PriceProvider): string[] {
  const { models = [] } = findProvider({ providerId: provider }) ?? {}
  const listed = models.map(({ id }) => id)
  const overlaid = overlayRows.filter((row) => row.provider === provider).map(({ model }) => model)
  return [...new Set([...listed, ...overlaid])].filter(
    (id) => textModels.test(id) && !otherModels.test(id),
  )
}
