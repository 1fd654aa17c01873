import { expect, it } from 'vitest'

import { isSpan } from './slow'

it('knows the times that the API takes', () => {
  for (const good of ['500ms', '2s', '5m', '1h', '1d']) expect(isSpan(good), good).toBe(true)
  for (const bad of ['', '500', 'ms', '0s', '1.5s', '-1s', '1 s', '1w']) expect(isSpan(bad), bad).toBe(false)
})
