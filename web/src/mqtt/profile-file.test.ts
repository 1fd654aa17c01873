import { expect, it } from 'vitest'

import { byFolder, freshProfile, FRESH_WISH, generatedId, type Profile } from './profile'
import { exported, parsed } from './profile-file'
import { NO_CONNECT_PROPERTIES, NO_PROPERTIES } from './properties'

const full: Profile = {
  ...freshProfile('lab', 'MQTT_FX_Client1'),
  folder: 'B 栋',
  version: 4,
  clean: false,
  connectSecs: 3,
  reconnects: false,
  sessionExpiry: 60,
  username: 'u',
  password: 'secret',
  properties: { ...NO_CONNECT_PROPERTIES, receiveMaximum: 7, wantsProblem: false, user: [['a', 'b']] },
  will: { topic: 't', payload: 'ff', encoding: 'hex', qos: 1, retain: true, delaySecs: 5, properties: { ...NO_PROPERTIES, correlation: '0x00', expirySecs: 9 } },
  subscriptions: [{ ...FRESH_WISH, filter: 'a/#', qos: 2, identifier: 5, alias: 'A', decoder: 'hex', colour: 3, muted: true }],
}

it('reads back what it wrote, passwords only where they are wanted', () => {
  expect(parsed(exported([full], true))).toEqual([full])
  expect(parsed(exported([full]))).toEqual([{ ...full, password: '' }])
  expect(exported([full])).not.toContain('secret')
})

it('takes nothing that is no profile', () => {
  for (const text of ['', '[]', '{}', '{"form":"other","profiles":[]}', 'null', '{"form":"ternmq-profiles-1","profiles":3}']) {
    expect(parsed(text), text).toBeNull()
  }
  expect(parsed('{"form":"ternmq-profiles-1","profiles":[null,3,{"name":" "}]}')).toEqual([])
})

it('takes for a value that makes no sense its default', () => {
  const odd = parsed('{"form":"ternmq-profiles-1","profiles":[{"name":"a","keepAlive":-1,"version":3,"will":{"topic":1},"subscriptions":[{},{"filter":"x","qos":7,"colour":99}],"properties":{"receiveMaximum":0,"user":[["a"],["a","b"]]}}]}')
  expect(odd?.[0]).toMatchObject({ name: 'a', keepAlive: 60, version: 5, will: null, properties: { receiveMaximum: null, user: [['a', 'b']] } })
  expect(odd?.[0]?.subscriptions).toEqual([{ ...FRESH_WISH, filter: 'x' }])
})

it('makes ids that differ, and sorts folders', () => {
  expect(generatedId()).not.toBe(generatedId())
  const inside = (folder: string) => ({ ...full, folder, id: generatedId() })
  expect(byFolder([inside('b'), inside(''), inside('a'), inside('b')]).map((one) => [one.folder, one.profiles.length])).toEqual([['', 1], ['a', 1], ['b', 2]])
})
