/** Every character that Unicode can encode, each as likely as any other, for `fc.string`. */
import fc from 'fast-check'

const firstSurrogate = 0xd800
const surrogates = 0x800
const last = 0x10ffff

/**
 * What `unit: 'binary'` draws from. That one fills a map of a million characters when it is first
 * used, in each process, which takes half a second and is never given back.
 */
export const anyCharacter = fc.nat({ max: last - surrogates }).map(
  (index) => String.fromCodePoint(index < firstSurrogate ? index : index + surrogates),
  (character) => {
    const point = typeof character === 'string' ? (character.codePointAt(0) ?? -1) : -1
    if (point < 0 || String.fromCodePoint(point) !== character) throw new Error('no character')
    return point < firstSurrogate ? point : point - surrogates
  },
)
