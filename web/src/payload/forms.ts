// The forms in which a payload is shown, and the one in which it probably was meant.
import { readCbor } from './cbor'
import { readJson } from './json'
import { readMsgpack } from './msgpack'
import { batchOf } from './samples'
import { decoded, likelyCharset, type Charset } from './text'
import { Branch, type Read } from './value'

export const FORMS = ['text', 'json', 'hex', 'base64', 'cbor', 'msgpack', 'numbers'] as const
export type Form = (typeof FORMS)[number]
export type TreeForm = 'json' | 'cbor' | 'msgpack'

export function isTree(form: Form): form is TreeForm {
  return form === 'json' || form === 'cbor' || form === 'msgpack'
}

export function readTree(bytes: Uint8Array, form: TreeForm, charset: Charset): Read {
  if (form === 'json') return readJson(decoded(bytes, charset))
  return form === 'cbor' ? readCbor(bytes) : readMsgpack(bytes)
}

/** A branch, that is: a lone number or word is read as well as text. */
export function isStructure(read: Read): boolean {
  return 'value' in read && read.value instanceof Branch
}

export function likelyForm(bytes: Uint8Array): Form {
  if (batchOf(bytes) !== null) return 'numbers'
  const charset = likelyCharset(bytes)
  if (charset === 'utf-8') return looksLikeJson(bytes) && isStructure(readTree(bytes, 'json', charset)) ? 'json' : 'text'
  if (isStructure(readCbor(bytes))) return 'cbor'
  if (isStructure(readMsgpack(bytes))) return 'msgpack'
  return charset === null ? 'hex' : 'text'
}

const BLANK = new Set([0x20, 0x09, 0x0a, 0x0d])

/** It begins with a bracket. */
function looksLikeJson(bytes: Uint8Array): boolean {
  const first = bytes.find((byte) => !BLANK.has(byte))
  return first === 0x7b || first === 0x5b
}
