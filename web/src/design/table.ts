// What a table shows, and in which order.
export interface Column<R> {
  readonly key: string
  readonly title: string
  /** By this it is sorted; without, it is not. */
  readonly by?: (row: R) => string | number
  readonly numeric?: boolean
  /** Sentences, which are read and not cut. */
  readonly long?: boolean
  /** Says by itself what it is: on a card it needs no title. */
  readonly plain?: boolean
  /** Hidden until it is chosen. */
  readonly extra?: boolean
  /** The text of the cell, for export; and for display where the page has no slot of that name. */
  readonly text: (row: R) => string
}

/** `key` or `-key`; empty is the order in which the rows came. */
export type Order = string

export function sorted<R>(rows: readonly R[], columns: readonly Column<R>[], order: Order): readonly R[] {
  const down = order.startsWith('-')
  const by = columns.find((column) => column.key === order.slice(down ? 1 : 0))?.by
  if (by === undefined) return rows
  const sign = down ? -1 : 1
  const keyed = rows.map((row) => ({ row, key: by(row) }))
  return keyed.sort((a, b) => sign * compare(a.key, b.key)).map(({ row }) => row)
}

const texts = new Intl.Collator(undefined, { numeric: true })

function compare(a: string | number, b: string | number): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : texts.compare(String(a), String(b))
}

/** The order after a click on a column's head: up, down, as it came. */
export function turned(order: Order, key: string): Order {
  if (order === key) return `-${key}`
  return order === `-${key}` ? '' : key
}
