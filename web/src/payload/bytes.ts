// Bytes as people write them: hex and base64, and back. Nothing here knows what they mean.
/** Bytes that are shown at once; more only when asked for. */
export const HEAD = 64 * 1024

export type Encoding = 'text' | 'hex' | 'base64'

const PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Offsets, sixteen bytes, their characters. */
export function hex(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    let numbers = ''
    let characters = ''
    for (const byte of bytes.subarray(at, at + 16)) {
      numbers += numbers === '' ? PAIRS[byte] : ` ${PAIRS[byte]}`
      characters += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'
    }
    lines.push(`${at.toString(16).padStart(6, '0')}  ${numbers.padEnd(47)}  ${characters}`)
  }
  return lines.join('\n')
}

/** Pairs of digits and nothing else, as a program takes them. */
export function plainHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += PAIRS[byte]
  return text
}

/** A call takes so many arguments without trouble. */
const PART = 8192

export function base64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += PART) text += String.fromCharCode(...bytes.subarray(at, at + PART))
  return btoa(text)
}

/** `null` if it is none. */
export function ofBase64(text: string): Uint8Array | null {
  try {
    const binary = atob(text)
    const bytes = new Uint8Array(binary.length)
    for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at)
    return bytes
  } catch {
    return null
  }
}

/** What was typed as bytes; `null` if it does not read as that. */
export function bytesOf(text: string, encoding: Encoding): Uint8Array | null {
  if (encoding === 'text') return new TextEncoder().encode(text)
  const bare = text.replace(/\s+/g, '')
  if (encoding === 'base64') return ofBase64(bare)
  if (bare.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(bare)) return null
  return Uint8Array.from(bare.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
