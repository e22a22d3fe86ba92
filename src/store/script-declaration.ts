/** What a script is declared by, and the types that follow from it. */

export interface LuaScript {
  lua: string
  sha: string
}

/** A text that is one of these; a reply with any other is read as `otherwise`, or refused without it. */
export interface OneOf<Value extends string = string> {
  oneOf: readonly Value[]
  otherwise?: Value | undefined
}
export const oneOf = <const Value extends string>(
  values: readonly Value[],
  otherwise?: NoInfer<Value>,
): OneOf<Value> => ({ oneOf: values, otherwise })

/** `number` is an integer, `flag` is '1' or '0', `texts` is a list and only for replies. */
export type Scalar = 'text' | 'number' | 'flag' | 'texts' | OneOf

/** Fields by name; a field may be a record of fields, or in a reply a list `[fields]` of records. */
export interface Fields {
  readonly [name: string]: Scalar | Fields | readonly [Fields]
}

export type ValueOf<Field> = Field extends 'text'
  ? string
  : Field extends 'number'
    ? number
    : Field extends 'flag'
      ? boolean
      : Field extends 'texts'
        ? string[]
        : Field extends OneOf<infer Value>
          ? Value
          : Field extends readonly [infer Row]
            ? ValueOf<Row>[]
            : { -readonly [Name in keyof Field]: ValueOf<Field[Name]> }

/** One list of records of keys, by the name of the list. */
export type KeyRows = Readonly<Record<string, readonly string[]>>

/** The fields of each kind of answer. */
export type Replies = Readonly<Record<string, Fields>>

export interface Declaration<
  Keys extends readonly string[],
  Args extends Fields,
  Answers extends Replies,
  KeyRow extends KeyRows,
  ArgRow extends Readonly<Record<string, Fields>>,
> {
  /** Names of the keys; the key of the pool is always there as `keys.pool`. */
  keys: Keys
  /** A list of further keys, each record with these names; at most one list. */
  keyRows?: KeyRow
  /** Further fields of the pool's hash, read as `stored[3]` and so on. */
  poolFields?: readonly string[]
  args: Args
  /** A list of records of arguments; at most one list. */
  argRows?: ArgRow
  replies: Answers
  /**
   * The format of the store that it runs on, as the field `schema` names it, such as `2 converting`
   * for a step of a migration; `any` only for what changes that field. @default the gateway's format
   */
  format?: string
  /** Lua functions that the script uses. */
  libraries?: readonly string[]
  lua: string
}

export interface Script<
  Keys extends readonly string[],
  Args extends Fields,
  Answers extends Replies,
  KeyRow extends KeyRows,
  ArgRow extends Readonly<Record<string, Fields>>,
> extends Declaration<Keys, Args, Answers, KeyRow, ArgRow>,
    LuaScript {}

export type KeysOf<Keys extends readonly string[], KeyRow extends KeyRows> = Record<
  Keys[number],
  string
> & { [List in keyof KeyRow]: Record<KeyRow[List][number], string>[] }

export type ArgsOf<
  Args extends Fields,
  ArgRow extends Readonly<Record<string, Fields>>,
> = ValueOf<Args> & { [List in keyof ArgRow]: ValueOf<ArgRow[List]>[] }

export type ReplyOf<Answers extends Replies> = {
  [Kind in keyof Answers & string]: { kind: Kind } & ValueOf<Answers[Kind]>
}[keyof Answers & string]
