// A payload in one line of a list, read as its subscription says; without that, as text if it is one.
import { base64, plainHex } from '@/payload/bytes'
import { isTree, readTree, type TreeForm } from '@/payload/forms'
import { layout } from '@/payload/layout'
import { numbersOf, shownNumber, type Layout } from '@/payload/numbers'
import { batchOf } from '@/payload/samples'
import { decoded, likelyCharset, untorn, type Charset } from '@/payload/text'
import { written } from '@/payload/value'

/** In the order in which they are offered; `''` is: as it looks. */
export const DECODERS = ['', 'text', 'gb18030', 'json', 'hex', 'base64', 'cbor', 'msgpack', 'numbers'] as const
export type Decoder = (typeof DECODERS)[number]

export function decoderOf(text: string): Decoder {
  return DECODERS.find((one) => one === text) ?? ''
}

/** What is longer is not taken apart for a line of a list. */
const TREE_MAX = 64 * 1024

export function inOneLine(bytes: Uint8Array, decoder: Decoder, characters: number): string {
  // No character takes more than four bytes.
  const head = bytes.subarray(0, characters * 4)
  const line = read(bytes, head, decoder)
  const isCut = line.length > characters || (head.length < bytes.length && !isTree(decoder as TreeForm))
  return isCut ? `${line.slice(0, characters)}…` : line
}

function read(bytes: Uint8Array, head: Uint8Array, decoder: Decoder): string {
  switch (decoder) {
    case 'hex':
      return spaced(head)
    case 'base64':
      return base64(head)
    case 'text':
      return plain(head, 'utf-8')
    case 'gb18030':
      return plain(head, 'gb18030')
    case 'numbers':
      return numbers(head, batchOf(head)?.layout ?? layout)
    case 'json':
    case 'cbor':
    case 'msgpack':
      return tree(bytes, decoder) ?? likely(head)
    case '':
      return likely(head)
  }
}

function numbers(head: Uint8Array, as: Layout): string {
  return numbersOf(head, as).rows.map((row) => row.map((one) => shownNumber(one, as.kind)).join(' ')).join(' | ')
}

function likely(head: Uint8Array): string {
  const batch = batchOf(head)
  if (batch) return numbers(head, batch.layout)
  const charset = likelyCharset(untorn(head, 'utf-8')) ?? likelyCharset(untorn(head, 'gb18030'))
  return charset === null ? spaced(head) : plain(head, charset)
}

function plain(head: Uint8Array, charset: Charset): string {
  return decoded(untorn(head, charset), charset).replace(/[ \t\r\n]+/g, ' ')
}

function tree(bytes: Uint8Array, form: TreeForm): string | null {
  if (bytes.length > TREE_MAX) return null
  const result = readTree(bytes, form, likelyCharset(bytes) ?? 'utf-8')
  return 'value' in result ? written(result.value).replace(/\n\s*/g, ' ') : null
}

function spaced(bytes: Uint8Array): string {
  return plainHex(bytes).replace(/..(?=.)/g, '$& ')
}
