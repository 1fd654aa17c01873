import type { Packet } from 'mqtt'
import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { codesTold, said } from './said'

beforeAll(() => speak('en'))

const log = (packet: unknown) => said(packet as Packet, false, 1, 0)

it('names what a packet is about, and neither password nor payload', () => {
  const connect = log({ cmd: 'connect', clientId: 'c', username: 'u', password: 'secret', clean: true, keepalive: 5, will: { topic: 'w', payload: 'hidden' } })
  expect(connect.about).toBe('c (u) clean will w keep alive 5 s')
  expect(JSON.stringify([connect, log({ cmd: 'publish', topic: 't', payload: 'hidden', qos: 1, retain: true, dup: true, messageId: 3 })])).not.toMatch(/secret|hidden/)
  expect(log({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1, nl: true, rh: 2 }] }).about).toBe('a QoS 1 nl rh 2 #1')
})

it('tells reasons in words', () => {
  expect(codesTold(log({ cmd: 'connack', returnCode: 5 }), 4)).toContain('rc=5')
  expect(codesTold(log({ cmd: 'suback', granted: [1, 0x87] }), 5)).toMatch(/^QoS 1, .*0x87/)
  expect(codesTold(log({ cmd: 'disconnect', reasonCode: 0x8e, properties: { reasonString: 'why' } }), 5)).toContain('0x8e')
  expect(log({ cmd: 'disconnect', properties: { reasonString: 'why' } }).about).toBe('why')
  expect(codesTold(log({ cmd: 'puback', messageId: 1 }), 5)).toBe('')
})

it('tells traffic from the rest', () => {
  expect([log({ cmd: 'pubrel' }).isTraffic, log({ cmd: 'pingreq' }).isTraffic]).toEqual([true, false])
})
