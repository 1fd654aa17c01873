import { expect, it } from 'vitest'

import { isAddress, isNetwork } from './address'

it('asks for whole addresses only', () => {
  for (const whole of ['10.234.75.59', '::1', 'fe80::1', '2001:db8::5']) expect(isAddress(whole), whole).toBe(true)
  for (const part of ['10.234', '10.234.75.', '300.1.1.1', 'abc', '', ':::', '010.0.0.1']) expect(isAddress(part), part).toBe(false)
})

it('knows networks', () => {
  for (const net of ['10.0.0.0/8', '192.168.1.7/32', 'fd00::/8', '::/0']) expect(isNetwork(net), net).toBe(true)
  for (const none of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/', '10.0/8', 'fd00::/129', '10.0.0.0/8/8', '/8']) expect(isNetwork(none), none).toBe(false)
})
