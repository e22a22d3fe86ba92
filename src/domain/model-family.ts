/** Families of models that vendors limit separately: one may be exhausted while another serves. */

/** Told by a word anywhere in the name. */
const claudeFamilies = ['opus', 'sonnet', 'haiku']

/** The first words of model names in public use. Only these count in the name of an unknown model. */
const publicFamilies = new Set(
  (
    'claude codestral codex command deepseek devstral doubao ernie gemini gemma glm gpt grok hunyuan kimi ' +
    'llama longcat magistral mimo minimax ministral mistral nova o phi pixtral qwen qwq seed step'
  ).split(' '),
)

/** The family of names that callers invent: each of its own would be a record of its own in the store. */
export const otherFamily = 'other'

/** Those that an account without a list of models is most likely asked for. */
export const commonFamilies = [...claudeFamilies, otherFamily] as const

/** The family that a model's name tells, whether the vendor or a caller chose it; `other` where it tells none. */
export function modelFamily(model: string): string {
  const family = familyOfName(model)
  const isPublic = claudeFamilies.includes(family) || publicFamilies.has(family)
  return isPublic ? family : otherFamily
}

/**
 * The same for a name that an administrator has written: the name up to its version, without the name of
 * a vendor before it. `zai/glm-4.6` is `glm`.
 */
export function familyOfName(model: string): string {
  const name = model.toLowerCase()
  const claude = claudeFamilies.find((family) => name.includes(family))
  return claude ?? /^\p{L}{1,32}/u.exec(name.slice(name.lastIndexOf('/') + 1))?.[0] ?? otherFamily
}
