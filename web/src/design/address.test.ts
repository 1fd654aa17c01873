import { expect, it } from 'vitest'

import { isAddress } from './address'

it('asks for whole addresses only', () => {
  for (const whole of ['10.234.75.59', '::1', 'fe80::1', '2001:db8::5']) expect(isAddress(whole), whole).toBe(true)
  for (const part of ['10.234', '10.234.75.', '300.1.1.1', 'abc', '', ':::']) expect(isAddress(part), part).toBe(false)
})
