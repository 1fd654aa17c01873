// Payloads as people read them: text, JSON, hex, base64. Nothing is cut silently.
export type Form = 'text' | 'json' | 'hex' | 'base64'

/** Bytes that are shown at once; more only when asked for. */
export const HEAD = 64 * 1024

const strict = new TextDecoder('utf-8', { fatal: true })

export function isText(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes)
    return true
  } catch {
    return false
  }
}

/** The first characters for one line of a list. */
export function excerpt(bytes: Uint8Array, characters: number): string {
  const head = bytes.subarray(0, characters * 4)
  const text = new TextDecoder().decode(head).replace(/\s+/g, ' ')
  return text.length > characters || head.length < bytes.length ? `${text.slice(0, characters)}…` : text
}

/** `null` if it is not of that form. */
export function written(bytes: Uint8Array, form: Form): string | null {
  switch (form) {
    case 'text':
      return new TextDecoder().decode(bytes)
    case 'json':
      return json(new TextDecoder().decode(bytes))
    case 'hex':
      return hex(bytes)
    case 'base64':
      return base64(bytes)
  }
}

/** Pretty, or `null` if it is no JSON. */
export function json(text: string): string | null {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return null
  }
}

/** Offsets, sixteen bytes, their characters. */
export function hex(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)]
    const numbers = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const characters = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${at.toString(16).padStart(6, '0')}  ${numbers.padEnd(47)}  ${characters}`)
  }
  return lines.join('\n')
}

export function base64(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}

export type Encoding = 'text' | 'hex' | 'base64'

/** What was typed as bytes; `null` if it does not read as that. */
export function bytesOf(text: string, encoding: Encoding): Uint8Array | null {
  if (encoding === 'text') return new TextEncoder().encode(text)
  const bare = text.replace(/\s+/g, '')
  if (encoding === 'hex') {
    if (bare.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(bare)) return null
    return Uint8Array.from(bare.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  }
  try {
    return Uint8Array.from(atob(bare), (character) => character.charCodeAt(0))
  } catch {
    return null
  }
}
