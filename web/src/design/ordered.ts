// A list that the API takes only whole, changed by one row at a time. What others changed meanwhile is kept,
// or told where it is the same row.
import { Failure } from '@/api'

export interface Ordered<T> {
  add(row: T): Promise<void>
  /** `null` deletes. */
  replace(at: number, before: T, after: T | null): Promise<void>
  /** Up by -1, down by 1. */
  move(at: number, before: T, by: -1 | 1): Promise<void>
}

export function ordered<T>(load: () => Promise<readonly T[]>, store: (rows: T[]) => Promise<unknown>): Ordered<T> {
  async function change(edit: (rows: T[]) => void): Promise<void> {
    const rows = [...(await load())]
    edit(rows)
    await store(rows)
  }

  return {
    add: (row) => change((rows) => rows.push(row)),
    replace: (at, before, after) =>
      change((rows) => {
        confirm(rows, at, before)
        rows.splice(at, 1, ...(after === null ? [] : [after]))
      }),
    move: (at, before, by) =>
      change((rows) => {
        confirm(rows, at, before)
        const to = at + by
        if (to < 0 || to >= rows.length) return
        rows.splice(at, 1)
        rows.splice(to, 0, before)
      }),
  }
}

function confirm<T>(rows: readonly T[], at: number, row: T): void {
  if (JSON.stringify(rows[at]) === JSON.stringify(row)) return
  throw new Failure(409, 'CHANGED_MEANWHILE', 'the list was changed by somebody else')
}
