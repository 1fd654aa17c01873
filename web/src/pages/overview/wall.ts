// The wall display: what its screen has room for, and its link, whose key stands behind the address.

/** The window in which text has its usual size, and how much larger it is on a wall of the same size. */
const USUAL = { width: 1366, height: 768 }
const LARGER = 1.4
/** Smaller ones have room for one thing that needs attention: the words of two would leave none for the picture. */
const SMALL = { width: 700, height: 500 }

export interface Room {
  /** By how much text is larger than usual. */
  readonly scale: number
  /** Of what needs attention, how much is shown unasked. */
  readonly items: number
}

export function roomOf(width: number, height: number): Room {
  const scale = Math.max(1, LARGER * Math.min(width / USUAL.width, height / USUAL.height))
  return { scale, items: width < SMALL.width || height < SMALL.height ? 1 : 2 }
}

export interface WallKey {
  readonly key: string
  readonly secret: string
}

export function wallLink(origin: string, { key, secret }: WallKey): string {
  return `${origin}/wall#${key}.${secret}`
}

/** The key in such a link; null if there is none. */
export function keyOf(hash: string): WallKey | null {
  const [, key, secret] = /^#([\w-]+)\.([\w-]+)$/.exec(hash) ?? []
  return key === undefined || secret === undefined ? null : { key, secret }
}
