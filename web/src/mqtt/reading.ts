// Values out of a file that somebody else wrote: each is what it should be, or its default.
export type Unknown = Readonly<Record<string, unknown>>

export function record(given: unknown): Unknown {
  return typeof given === 'object' && given !== null && !Array.isArray(given) ? (given as Unknown) : {}
}

export function list(given: unknown): readonly unknown[] {
  return Array.isArray(given) ? given : []
}

export function text(given: unknown, otherwise = ''): string {
  return typeof given === 'string' ? given : otherwise
}

export function flag(given: unknown, otherwise = false): boolean {
  return typeof given === 'boolean' ? given : otherwise
}

/** A whole number within the bounds. */
export function whole(given: unknown, least: number, most: number, otherwise: number): number {
  return typeof given === 'number' && Number.isInteger(given) && given >= least && given <= most ? given : otherwise
}

/** The same where nothing is a value, too. */
export function maybeWhole(given: unknown, least: number, most: number): number | null {
  const found = whole(given, least, most, -1)
  return found < 0 ? null : found
}

export function upToTwo(given: unknown): 0 | 1 | 2 {
  return given === 1 || given === 2 ? given : 0
}

export const U16 = 0xffff
export const U32 = 0xffff_ffff
