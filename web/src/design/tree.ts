// What a key does in a tree, as all trees have it.
export interface TreeRow {
  readonly key: string
  readonly depth: number
  /** `null` where there is nothing to unfold. */
  readonly open: boolean | null
}

export type Move = { readonly to: number } | { readonly turn: number } | { readonly choose: number }

/** `at` is the row that has the focus; `page` how many are seen. */
export function moved(rows: readonly TreeRow[], at: number, key: string, page: number): Move | null {
  const row = rows[at]
  if (row === undefined) return rows.length > 0 ? { to: 0 } : null
  const to = (index: number): Move => ({ to: Math.max(0, Math.min(rows.length - 1, index)) })
  switch (key) {
    case 'ArrowDown':
      return to(at + 1)
    case 'ArrowUp':
      return to(at - 1)
    case 'Home':
      return to(0)
    case 'End':
      return to(rows.length - 1)
    case 'PageDown':
      return to(at + page)
    case 'PageUp':
      return to(at - page)
    case 'ArrowRight':
      if (row.open === false) return { turn: at }
      return row.open ? to(at + 1) : null
    case 'ArrowLeft':
      return row.open ? { turn: at } : above(rows, at)
    case 'Enter':
    case ' ':
      return { choose: at }
    default:
      return null
  }
}

function above(rows: readonly TreeRow[], at: number): Move | null {
  const depth = rows[at]?.depth ?? 0
  for (let index = at - 1; index >= 0; index -= 1) if ((rows[index]?.depth ?? 0) < depth) return { to: index }
  return null
}
