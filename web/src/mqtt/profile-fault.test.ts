import { expect, it } from 'vitest'

import { freshProfile, type Profile, type Will } from './profile'
import { profileFault } from './profile-fault'
import { NO_CONNECT_PROPERTIES, NO_PROPERTIES } from './properties'

const numbers = { keepAlive: 60, connectSecs: 10 }
const will: Will = { topic: 't', payload: 'ff', encoding: 'hex', qos: 0, retain: false, delaySecs: 0, properties: NO_PROPERTIES }
const fault = (change: Partial<Profile>, given: Parameters<typeof profileFault>[1] = numbers) => profileFault({ ...freshProfile('a'), will, ...change }, given)

it('finds what is missing', () => {
  expect(fault({})).toBeNull()
  expect(fault({ name: ' ' })).toBe('name')
  expect(fault({ clientId: '' })).toBeNull()
  expect(fault({ clientId: '', clean: false })).toBe('clientId')
  expect(fault({ password: 'x' })).toBe('username')
})

it('finds what is out of bounds, where it counts', () => {
  for (const given of [{ keepAlive: null, connectSecs: 1 }, { keepAlive: 65_536, connectSecs: 1 }, { keepAlive: 0, connectSecs: 0 }]) expect(fault({}, given)).toBe('other')
  const odd = { properties: { ...NO_CONNECT_PROPERTIES, receiveMaximum: 0 } }
  expect([fault(odd), fault({ ...odd, version: 4 })]).toEqual(['other', null])
  for (const change of [{ topic: 'a/#' }, { payload: 'f' }, { delaySecs: -1 }, { properties: { ...NO_PROPERTIES, correlation: '0x1' } }, { properties: { ...NO_PROPERTIES, responseTopic: '+' } }]) {
    expect(fault({ will: { ...will, ...change } }), JSON.stringify(change)).toBe('other')
  }
})
