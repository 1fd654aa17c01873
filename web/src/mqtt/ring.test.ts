import { expect, it } from 'vitest'

import { Ring } from './ring'

it('keeps the last ones and counts the others', () => {
  const ring = new Ring<number>(3)
  expect(ring.toArray()).toEqual([])
  for (const n of [1, 2]) ring.push(n)
  expect(ring.toArray()).toEqual([1, 2])
  for (const n of [3, 4, 5]) ring.push(n)
  expect([ring.toArray(), ring.skipped]).toEqual([[3, 4, 5], 2])
  ring.clear()
  expect([ring.toArray().length, ring.skipped]).toEqual([0, 0])
  for (const n of [6, 7, 8, 9]) ring.push(n)
  expect(ring.toArray()).toEqual([7, 8, 9])
})

it('makes room for what is heavy, and keeps the newest whatever it weighs', () => {
  const ring = new Ring<number>(10, (n) => n, 10)
  for (const n of [3, 3, 3, 5]) ring.push(n)
  expect([ring.toArray(), ring.skipped]).toEqual([[3, 5], 2])
  ring.push(99)
  expect([ring.toArray(), ring.skipped]).toEqual([[99], 4])
  ring.push(1)
  expect([ring.toArray(), ring.skipped]).toEqual([[1], 5])
})
