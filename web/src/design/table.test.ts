import { expect, it } from 'vitest'

import { sorted, turned, type Column } from './table'

const columns: Column<{ n: number; s: string }>[] = [
  { key: 'n', title: 'n', by: (row) => row.n, text: (row) => String(row.n) },
  { key: 's', title: 's', by: (row) => row.s, text: (row) => row.s },
]
const rows = [
  { n: 10, s: 'b10' },
  { n: 9, s: 'b9' },
]

it('sorts numbers as numbers, also within texts', () => {
  expect(sorted(rows, columns, 'n').map((row) => row.n)).toEqual([9, 10])
  expect(sorted(rows, columns, '-n').map((row) => row.n)).toEqual([10, 9])
  expect(sorted(rows, columns, 's').map((row) => row.s)).toEqual(['b9', 'b10'])
})

it('leaves rows as they came for an order that it does not know', () => {
  for (const order of ['', '-', 'x']) expect(sorted(rows, columns, order)).toEqual(rows)
})

it('turns through up, down and none', () => {
  expect([turned('', 'n'), turned('n', 'n'), turned('-n', 'n'), turned('s', 'n')]).toEqual(['n', '-n', '', 'n'])
})
