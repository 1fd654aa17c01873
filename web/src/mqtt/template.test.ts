import { expect, it } from 'vitest'

import { filled } from './template'

it('fills each placeholder each time', () => {
  expect(filled('${seq} ${timestamp} ${seq}', 7, 1000)).toBe('7 1000 7')
  let n = 0
  expect(filled('${random},${random}', 0, 0, () => (n += 0.25))).toBe('250000,500000')
  expect(filled('${other}', 0, 0)).toBe('${other}')
})
