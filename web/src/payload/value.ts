// What JSON, CBOR and MessagePack have in common: a value as a tree, of which nothing is rounded.
export type Value = string | number | boolean | null | Branch | Special

/** A map, which has keys, or a list, which has none. Equal keys stay, as they came. */
export class Branch {
  constructor(
    readonly keys: readonly string[] | null,
    readonly values: readonly Value[],
  ) {}
}

/** What JavaScript has no value for: a number it would round, bytes, a time, a tag. */
export class Special {
  constructor(
    readonly text: string,
    /** It is a number, whatever its size. */
    readonly isNumber = false,
  ) {}
}

export type Fault = 'end' | 'unexpected' | 'deep' | 'rest'

/** Bytes or characters are not of the form that they were read as. */
export class NotThis extends Error {
  constructor(
    readonly why: Fault,
    /** Where: a character of a text, a byte of others. */
    readonly at: number,
  ) {
    super(why)
  }
}

export type Read = { readonly value: Value } | { readonly fault: NotThis }

/** Below this nobody looks, and deeper ones would exhaust the stack. */
export const DEPTH_MAX = 256

export function attempt(read: () => Value): Read {
  try {
    return { value: read() }
  } catch (error) {
    if (error instanceof NotThis) return { fault: error }
    throw error
  }
}

/** A number that a chart can show; `null` for all else. */
export function asNumber(value: Value): number | null {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  return value instanceof Special && value.isNumber ? Number(value.text) : null
}

/** One line; branches by what they have. */
export function brief(value: Value): string {
  if (value instanceof Branch) return value.keys ? `{${value.values.length}}` : `[${value.values.length}]`
  if (value instanceof Special) return value.text
  return JSON.stringify(value)
}

/** As JSON, indented. Special values stand as they are written, numbers with all of their digits. */
export function written(value: Value, indent = ''): string {
  if (!(value instanceof Branch)) return brief(value)
  const { keys, values } = value
  const [open, close] = keys ? '{}' : '[]'
  if (values.length === 0) return `${open}${close}`
  const deeper = `${indent}  `
  const lines = values.map((one, at) => `${deeper}${keys ? `${JSON.stringify(keys[at])}: ` : ''}${written(one, deeper)}`)
  return `${open}\n${lines.join(',\n')}\n${indent}${close}`
}
