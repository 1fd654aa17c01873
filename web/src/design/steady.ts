// Rows that stay where they are while somebody points at them.
export interface Steady<R> {
  readonly row: R
  /** It is not among the newest rows any more, and leaves when nobody points. */
  readonly gone: boolean
}

/** The newest rows in the order of those shown: changed in place, gone ones kept, new ones behind. */
export function hold<R>(shown: readonly Steady<R>[], newest: readonly R[], key: (row: R) => string): Steady<R>[] {
  const fresh = new Map(newest.map((row) => [key(row), row]))
  const held = shown.map(({ row }) => {
    const now = fresh.get(key(row))
    fresh.delete(key(row))
    return now === undefined ? { row, gone: true } : { row: now, gone: false }
  })
  return [...held, ...release([...fresh.values()])]
}

export function release<R>(newest: readonly R[]): Steady<R>[] {
  return newest.map((row) => ({ row, gone: false }))
}
