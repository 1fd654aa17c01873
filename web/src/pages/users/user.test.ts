import { expect, it } from 'vitest'

import { nameFault } from './user'

it('takes the names that the broker takes', () => {
  for (const name of ['a', 'lab_2', 'A'.repeat(64)]) expect(nameFault(name, ['eve']), name).toBeNull()
  for (const name of ['a b', '张三', 'a-b', 'A'.repeat(65)]) expect(nameFault(name, ['eve']), name).toBe('nameForm')
  expect(nameFault('', [])).toBe('nameMissing')
  expect(nameFault('eve', ['eve'])).toBe('nameTaken')
})
