// Bytes as text. UTF-8 first, and GB18030, which older devices and programs in China send.
import { plainHex } from './bytes'

export const CHARSETS = ['utf-8', 'gb18030'] as const
export type Charset = (typeof CHARSETS)[number]

const strict = {
  'utf-8': new TextDecoder('utf-8', { fatal: true }),
  gb18030: new TextDecoder('gb18030', { fatal: true }),
}

export function fits(bytes: Uint8Array, charset: Charset): boolean {
  try {
    strict[charset].decode(bytes)
    return true
  } catch {
    return false
  }
}

export function isText(bytes: Uint8Array): boolean {
  return fits(bytes, 'utf-8')
}

/** Characters that no text has, but bytes that are none decode to. */
const UNLIKELY = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f\ue000-\uf8ff]/g

/** Small numbers are UTF-8, too: a text has few control characters. */
const UNLIKELY_SHARE = 0.1

/** GB18030 gives meaning to nearly all bytes, so that it fits proves little: none of it must be unlikely. */
export function likelyCharset(bytes: Uint8Array): Charset | null {
  if (isText(bytes)) return unlikely(decoded(bytes, 'utf-8')) <= UNLIKELY_SHARE * bytes.length ? 'utf-8' : null
  return fits(bytes, 'gb18030') && unlikely(decoded(bytes, 'gb18030')) === 0 ? 'gb18030' : null
}

function unlikely(text: string): number {
  return text.match(UNLIKELY)?.length ?? 0
}

/** With a mark for each byte that is no text. */
export function decoded(bytes: Uint8Array, charset: Charset): string {
  return new TextDecoder(charset, { ignoreBOM: true }).decode(bytes)
}

/** The first characters for one line of a list; the bytes of what is no text. */
export function excerpt(bytes: Uint8Array, characters: number): string {
  const head = bytes.subarray(0, characters * 4)
  const whole = (charset: Charset): Uint8Array => (head.length < bytes.length ? untorn(head, charset) : head)
  const charset = CHARSETS.find((one) => likelyCharset(whole(one)) === one)
  if (charset === undefined) {
    const pairs = spaced(head.subarray(0, characters / 3))
    return bytes.length > characters / 3 ? `${pairs}…` : pairs
  }
  const text = decoded(whole(charset), charset).replace(/\s+/g, ' ')
  return text.length > characters || head.length < bytes.length ? `${text.slice(0, characters)}…` : text
}

function spaced(bytes: Uint8Array): string {
  return plainHex(bytes).replace(/..(?!$)/g, '$& ')
}

/** The bytes before the last character that was cut in two. */
export function untorn(head: Uint8Array, charset: Charset): Uint8Array {
  const back = charset === 'utf-8' ? 3 : 4
  for (let less = 0; less <= Math.min(back, head.length); less += 1) {
    const part = head.subarray(0, head.length - less)
    if (fits(part, charset)) return part
  }
  return head
}
