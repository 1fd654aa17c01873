import { expect, it } from 'vitest'

import { shiftInto } from './shift'

it('moves what would not be seen, and no more than that', () => {
  expect(shiftInto(100, 300, 360)).toBe(0)
  expect(shiftInto(12, 348, 360)).toBe(0)
  expect(shiftInto(200, 402, 360)).toBe(-54)
  expect(shiftInto(-190, 11, 360)).toBe(202)
  // Wider than the window: from its beginning.
  expect(shiftInto(50, 500, 360)).toBe(-38)
})
