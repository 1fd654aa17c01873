import { expect, it } from 'vitest'

import { binary, connectWire, fromWire, NO_CONNECT_PROPERTIES, NO_PROPERTIES, pairs, publishWire, told, typed, userWire, willWire } from './properties'

it('sends nothing that was not set', () => {
  expect(publishWire(NO_PROPERTIES, null)).toEqual({})
  expect(willWire(NO_PROPERTIES, 0)).toEqual({})
  expect(connectWire(NO_CONNECT_PROPERTIES, 0)).toEqual({ sessionExpiryInterval: 0 })
})

it('sends all that was set, and reads it back', () => {
  const given = { isText: true, expirySecs: 0, contentType: 'a/b', responseTopic: 'r', correlation: '0x00ff', user: [['k', '1'], ['k', '2'], ['', 'v']] as const }
  const wire = publishWire(given, 3)
  expect(wire).toMatchObject({ payloadFormatIndicator: true, messageExpiryInterval: 0, topicAlias: 3, correlationData: new Uint8Array([0, 255]) })
  expect(fromWire(wire)).toEqual(given)
  expect(willWire(given, 5)).toMatchObject({ willDelayInterval: 5, responseTopic: 'r' })
  expect(fromWire(undefined)).toEqual(NO_PROPERTIES)
})

it('takes bytes as text, or behind 0x', () => {
  expect(binary('0x6')).toBeNull()
  expect(binary('abc')).toEqual(new TextEncoder().encode('abc'))
  for (const bytes of [new Uint8Array([0x30, 0x78, 0x31]), new Uint8Array([0]), new Uint8Array([0xff]), new TextEncoder().encode('温')]) {
    expect(binary(typed(bytes))).toEqual(bytes)
  }
  expect(typed(new Uint8Array())).toBe('')
})

it('keeps names that objects have of their own', () => {
  const sent = userWire([['__proto__', 'x'], ['constructor', 'y']]).userProperties
  expect(pairs(sent)).toEqual([['__proto__', 'x'], ['constructor', 'y']])
})

it('tells the authentication data only with its method', () => {
  expect(connectWire({ ...NO_CONNECT_PROPERTIES, authData: 'x' }, 1)).toEqual({ sessionExpiryInterval: 1 })
  expect(connectWire({ ...NO_CONNECT_PROPERTIES, authMethod: 'm', authData: 'x', wantsProblem: false }, 1)).toMatchObject({ authenticationMethod: 'm', requestProblemInformation: false })
})

it('tells each in reading order', () => {
  expect(told({ subscriptionIdentifier: [1, 2], userProperties: { a: ['1', '2'] }, messageExpiryInterval: 7 })).toEqual([
    { name: 'expiry', value: '7 s' },
    { name: 'identifier', value: '1, 2' },
    { name: 'user', value: 'a = 1' },
    { name: 'user', value: 'a = 2' },
  ])
})
