import { expect, it } from 'vitest'

import { hosts, isLoopback, type MachineAddress } from './place'

const any = { bind: '0.0.0.0:1883' }
const addresses: MachineAddress[] = [
  { address: '10.234.75.59', interface: 'eth0', leads: 'default' },
  { address: '2001:db8::5', interface: 'eth0', leads: 'lan' },
]

it('offers the address that the browser came by', () => {
  expect(hosts('broker.lan', [], any).map((one) => one.host)).toEqual(['broker.lan'])
})

it('offers those of the machine to a browser on it', () => {
  expect(hosts('localhost', addresses, any).map((one) => one.host)).toEqual(['10.234.75.59', '[2001:db8::5]'])
})

it('offers the one address of a listener that has one', () => {
  expect(hosts('localhost', addresses, { bind: '127.0.0.1:1883' })).toEqual([{ host: '127.0.0.1', leads: 'loopback', via: '' }])
  expect(hosts('localhost', addresses, { bind: '[::]:1883' })).toHaveLength(2)
})

it('knows this machine', () => {
  expect(['localhost', '127.0.0.77', '[::1]', 'a.localhost'].every(isLoopback)).toBe(true)
  expect(['10.0.0.1', 'broker'].some(isLoopback)).toBe(false)
})
