// The link of a wall display: the key by which it comes in stands behind its address.
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
