import { expect, it } from 'vitest'

import { Ring } from './ring'

it('keeps the last ones and counts the others', () => {
  const ring = new Ring<number>(3)
  expect(ring.toArray()).toEqual([])
  for (const n of [1, 2]) ring.push(n)
  expect(ring.toArray()).toEqual([1, 2])
  for (const n of [3, 4, 5]) ring.push(n)
  expect(ring.toArray()).toEqual([3, 4, 5])
  expect([ring.skipped, ring.added]).toEqual([2, 5])
  ring.clear()
  expect([ring.toArray().length, ring.skipped]).toEqual([0, 0])
})
