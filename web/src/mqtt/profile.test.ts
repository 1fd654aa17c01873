import { expect, it } from 'vitest'

import { exported, freshProfile, generatedId, parsed, recalled } from './profile'

it('reads back what it wrote, without passwords', () => {
  const profile = { ...freshProfile('lab', 'MQTT_FX_Client1'), password: 'secret', will: { topic: 't', payload: 'x', qos: 1 as const, retain: true } }
  expect(parsed(exported([profile]))).toEqual([{ ...profile, password: '' }])
  expect(recalled(exported([profile], true))).toEqual([profile])
})

it('takes nothing that is no profile', () => {
  for (const text of ['', '[]', '{}', '{"form":"other","profiles":[]}', 'null', '{"form":"ternmq-profiles-1","profiles":3}']) {
    expect(parsed(text), text).toBeNull()
  }
  expect(parsed('{"form":"ternmq-profiles-1","profiles":[null,3,{"name":""}]}')).toEqual([])
  const odd = parsed('{"form":"ternmq-profiles-1","profiles":[{"name":"a","keepAlive":"x","version":3,"will":{"topic":1}}]}')
  expect(odd?.[0]).toMatchObject({ name: 'a', keepAlive: 60, version: 5, will: null })
  expect(recalled(null)).toEqual([])
})

it('makes ids that differ', () => {
  expect(generatedId()).not.toBe(generatedId())
})
