/** What the compiler can tell about the functions of the environment. */

export type Kind = 'number' | 'string' | 'boolean' | 'table' | 'function'

export interface Builtin {
  /** The name of the function in the runtime. */
  name: string
  /** Whether it always gives exactly one value. */
  isSingle: boolean
  /** The type of its value, where it is always the same. */
  kind: Kind | undefined
  /** Whether it may call a function that it is given. */
  callsBack: boolean
}

const numbers =
  'abs ceil cos deg exp floor fmod mod ldexp log log10 max min pow rad sin sqrt tan'.split(' ')
const texts = 'format sub rep char lower upper reverse'.split(' ')

const single = (name: string, kind?: Kind): [string, Builtin] => [
  name,
  { name: name.replace('.', '_'), isSingle: true, kind, callsBack: false },
]
const many = (name: string, callsBack = false): [string, Builtin] => [
  name,
  { name: name.replace('.', '_'), isSingle: false, kind: undefined, callsBack },
]

/** The functions, by the names that scripts call them with. */
export const builtins: ReadonlyMap<string, Builtin> = new Map([
  ...numbers.map((name) => single(`math.${name}`, 'number')),
  ...['frexp', 'modf'].map((name) => many(`math.${name}`)),
  ...texts.map((name) => single(`string.${name}`, 'string')),
  single('string.len', 'number'),
  ...['byte', 'find', 'match'].map((name) => many(`string.${name}`)),
  single('string.gmatch', 'function'),
  many('string.gsub', true),
  single('table.concat', 'string'),
  single('table.maxn', 'number'),
  many('table.insert'),
  many('table.remove'),
  many('table.sort', true),
  ...['call', 'pcall', 'sha1hex', 'error_reply', 'status_reply'].map((name) =>
    single(`redis.${name}`),
  ),
  many('redis.log'),
  ...['assert', 'error', 'ipairs', 'next', 'pairs', 'select', 'unpack'].map((name) => many(name)),
  many('pcall', true),
  single('rawequal', 'boolean'),
  single('rawget'),
  single('tonumber'),
  single('tostring', 'string'),
  single('type', 'string'),
])

/** The tables of the environment. */
export const libraries = ['math', 'redis', 'string', 'table'] as const
export const isLibrary = (name: string) => libraries.some((library) => library === name)
