import { expect, it } from 'vitest'

import { newer } from './live'

const same = (n: number) => n

it('counts what came since', () => {
  expect(newer([1, 2, 3], [1, 2, 3], same)).toBe(0)
  expect(newer([2, 3, 5, 9], [1, 2, 3], same)).toBe(2)
  expect(newer([7, 8], [1, 2], same)).toBe(2)
  expect(newer([7, 8], [], same)).toBe(2)
  expect(newer([], [4], same)).toBe(0)
})
