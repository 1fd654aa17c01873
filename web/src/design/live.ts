// How many of the rows came after those that are held. Numbers grow from row to row, so half of the rest is
// skipped at each step.
export function newer<R>(rows: readonly R[], held: readonly R[], numberOf: (row: R) => number): number {
  const last = held.at(-1)
  if (last === undefined) return rows.length
  const limit = numberOf(last)
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    const row = rows[middle]
    if (row !== undefined && numberOf(row) <= limit) low = middle + 1
    else high = middle
  }
  return rows.length - low
}
