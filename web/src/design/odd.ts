// Texts of strangers: client ids, topics, payloads. Characters that are not seen, or turn the direction
// of what follows, are shown by their number, so that two names that look equal are equal.
export interface Piece {
  readonly text: string
  /** It stands for a character that would not be seen. */
  readonly odd: boolean
}

// Marks heaped on one letter, too, which would cover the lines around it; no language needs eight.
const ODD =
  /\p{M}{8,}|[\u0000-\u001f\u007f-\u009f\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\u{e0000}-\u{e0fff}]/gu

export function pieces(text: string): Piece[] {
  const all: Piece[] = []
  let at = 0
  for (const found of text.matchAll(ODD)) {
    if (found.index > at) all.push({ text: text.slice(at, found.index), odd: false })
    all.push({ text: code(found[0]), odd: true })
    at = found.index + found[0].length
  }
  if (at < text.length) all.push({ text: text.slice(at), odd: false })
  return all
}

/**
 * Of a text that has lines: its ends of lines and tabs are seen as what they are. What is odd and stands
 * together is one piece, because bytes that are no text have many.
 */
export function linePieces(text: string): Piece[] {
  const all: Piece[] = []
  for (const piece of pieces(text)) {
    const last = all.at(-1)
    const space = piece.odd ? SPACES[piece.text] : undefined
    const kept = space === undefined ? piece : { text: space, odd: false }
    if (last && last.odd === kept.odd) all[all.length - 1] = { text: last.text + (kept.odd ? ' ' : '') + kept.text, odd: kept.odd }
    else all.push(kept)
  }
  return all
}

const SPACES: Readonly<Record<string, string>> = { 'U+000A': '\n', 'U+0009': '\t', 'U+000D': '' }

/** The same in one text, for titles and labels. */
export function shown(text: string): string {
  return pieces(text)
    .map((piece) => piece.text)
    .join('')
}

/** Of a character, or of the first of a heap. */
function code(character: string): string {
  const point = character.codePointAt(0) ?? 0
  const number = `U+${point.toString(16).toUpperCase().padStart(4, '0')}`
  const times = [...character].length
  return times === 1 ? number : `${number}… ×${times}`
}
