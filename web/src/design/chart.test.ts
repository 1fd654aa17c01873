import { expect, it } from 'vitest'

import { withGaps } from './chart'

it('leaves gaps where nothing was measured', () => {
  expect(withGaps([10, 11, 12], 1)).toEqual({ times: [10, 11, 12], from: [0, 1, 2] })
  expect(withGaps([10, 15], 1)).toEqual({ times: [10, 11, 15], from: [0, null, 1] })
  expect(withGaps([], 1)).toEqual({ times: [], from: [] })
})
