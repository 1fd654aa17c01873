import { expect, it } from 'vitest'

import { fromMqttx, toMqttx } from './mqttx'
import { freshProfile, FRESH_WISH, type Profile } from './profile'
import { NO_CONNECT_PROPERTIES, NO_PROPERTIES } from './properties'

const HERE = { host: '10.0.0.5', port: 18083, isSecure: false }

it('reads back what it wrote, without passwords', () => {
  const profile: Profile = {
    ...freshProfile('lab', 'c1'),
    folder: 'A',
    username: 'u',
    password: 'secret',
    sessionExpiry: 9,
    properties: { ...NO_CONNECT_PROPERTIES, receiveMaximum: 3, user: [['k', '1'], ['k', '2']] },
    will: { topic: 'w', payload: 'bye', encoding: 'text', qos: 1, retain: true, delaySecs: 4, properties: { ...NO_PROPERTIES, contentType: 'x', user: [['a', 'b']] } },
    subscriptions: [{ ...FRESH_WISH, filter: 'a/#', qos: 1, noLocal: true, identifier: 8, alias: 'A' }],
  }
  const file = toMqttx([profile], HERE)
  expect(file).not.toContain('secret')
  const read = fromMqttx(file)
  expect(read?.hosts).toEqual(['10.0.0.5:18083'])
  expect(read?.profiles).toEqual([{ ...profile, password: '', id: read?.profiles[0]?.id }])
})

it('writes what MQTTX asks of a backup', () => {
  const records: unknown = JSON.parse(toMqttx([{ ...freshProfile('a', ''), folder: 'F' }, freshProfile('b')], HERE))
  const ids = (records as { id: string }[]).map((one) => one.id)
  expect(new Set(ids).size).toBe(3)
  expect(records).toMatchObject([
    { isCollection: true, name: 'F', parentId: null },
    { isCollection: false, name: 'a', parentId: ids[0], clientId: 'a', host: '10.0.0.5', port: 18083, path: '/mqtt', protocol: 'ws' },
    { name: 'b', parentId: null },
  ])
})

it('reads a single connection, and one of an old version', () => {
  const one = { name: 'x', clientId: 'c', host: 'broker.example', port: 1883, mqttVersion: '3.1.1', keepalive: 30, parentId: 'gone', will: { lastWillTopic: '' }, subscriptions: [{ topic: 't', qos: 2 }, {}] }
  expect(fromMqttx(JSON.stringify(one))?.profiles).toMatchObject([{ name: 'x', folder: '', version: 4, keepAlive: 30, will: null, subscriptions: [{ filter: 't', qos: 2 }] }])
})

it('joins the names of nested folders, also of one that lies in itself', () => {
  const records = [
    { id: 'f', name: 'F', isCollection: true, parentId: null },
    { id: 'g', name: 'G', isCollection: true, parentId: 'f' },
    { id: 'h', name: 'H', isCollection: true, parentId: 'h' },
    { name: 'x', clientId: 'c', host: 'h', port: 1, parentId: 'g' },
    { name: 'y', clientId: 'c', host: 'h', port: 1, parentId: 'h' },
  ]
  expect(fromMqttx(JSON.stringify(records))?.profiles.map((one) => one.folder)).toEqual(['F / G', 'H'])
})

it('takes nothing else', () => {
  for (const text of ['', '{}', '[]', 'null', '[1]', '{"form":"ternmq-profiles-1","profiles":[]}']) expect(fromMqttx(text), text).toBeNull()
})

it('takes bytes as Node.js writes them', () => {
  const one = { name: 'x', clientId: 'c', host: 'h', port: 1, mqttVersion: '5.0', will: { lastWillTopic: 't', properties: { correlationData: { type: 'Buffer', data: [255, 0] } } } }
  expect(fromMqttx(JSON.stringify(one))?.profiles[0]?.will?.properties.correlation).toBe('0xff00')
})
