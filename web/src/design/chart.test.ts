import { expect, it } from 'vitest'

import { steps, withGaps } from './chart'

it('leaves gaps where nothing was measured', () => {
  expect(withGaps([10, 11, 12], 1)).toEqual({ times: [10, 11, 12], from: [0, 1, 2] })
  expect(withGaps([10, 15], 1)).toEqual({ times: [10, 11, 15], from: [0, null, 1] })
  expect(withGaps([], 1)).toEqual({ times: [], from: [] })
})

it('steps along an axis in round figures', () => {
  expect(steps(1).slice(0, 5)).toEqual([1, 2, 5, 10, 20])
  expect(steps(0.1).slice(0, 4)).toEqual([0.1, 0.2, 0.5, 1])
})
