import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { fits, groupOf, help, metrics } from './metric'

/** The names that the broker counts under, of EMQX 5. */
const NAMES = `bytes.received bytes.sent packets.received packets.sent packets.connect.received packets.connack.sent
packets.connack.error packets.connack.auth_error packets.publish.received packets.publish.sent packets.publish.inuse
packets.publish.error packets.publish.auth_error packets.publish.dropped packets.puback.received packets.puback.sent
packets.puback.inuse packets.puback.missed packets.pubrec.received packets.pubrec.missed packets.pubrel.missed
packets.pubcomp.inuse packets.subscribe.received packets.subscribe.error packets.subscribe.auth_error packets.suback.sent
packets.unsubscribe.error packets.pingreq.received packets.pingresp.sent packets.disconnect.received packets.auth.sent
messages.received messages.sent messages.qos0.received messages.qos2.sent messages.publish messages.dropped
messages.dropped.await_pubrel_timeout messages.dropped.no_subscribers messages.forward messages.delayed
messages.delivered messages.acked messages.persisted messages.validation_failed messages.validation_succeeded
messages.transformation_failed messages.transformation_succeeded delivery.dropped delivery.dropped.no_local
delivery.dropped.too_large delivery.dropped.qos0_msg delivery.dropped.queue_full delivery.dropped.expired
client.connect client.connack client.connected client.authenticate client.auth.anonymous client.authorize
client.subscribe client.unsubscribe client.disconnected client.flapping session.created session.resumed session.takenover
session.discarded session.terminated authorization.allow authorization.deny authorization.cache_hit
authorization.cache_miss authentication.success authentication.success.anonymous authentication.failure
overload_protection.delay.ok overload_protection.delay.timeout overload_protection.hibernation overload_protection.gc
overload_protection.new_conn rate_limit.connections rate_limit.client_messages rate_limit.client_bytes
rate_limit.listener_messages rate_limit.listener_bytes rate_limit.memory`.split(/\s+/)

beforeAll(async () => {
  await speak('zh')
  await speak('en')
})

it('says of every counter what it counts', async () => {
  for (const lang of ['zh', 'en'] as const) {
    await speak(lang)
    for (const name of NAMES) expect(help(name), name).not.toBe('')
  }
  expect(help('packets.publish.received')).toContain('PUBLISH')
  expect(help('of.tomorrow')).toBe('')
})

it('puts counters into groups, and finds them', () => {
  expect(groupOf('authentication.failure')).toBe('access')
  expect(groupOf('overload_protection.gc')).toBe('other')
  expect(groupOf('packets.auth.sent')).toBe('packets')
  const metric = { name: 'bytes.sent', value: 0, perSecond: null }
  expect(fits(metric, '', 'all', true)).toBe(false)
  expect(fits(metric, 'SENT bytes', 'bytes', false)).toBe(true)
  expect(fits(metric, 'sent', 'packets', false)).toBe(false)
})

it('tells rates between two looks of one life', () => {
  const now = { at: 12_000, counts: { a: 30, b: 1 } }
  expect(metrics(now, null)[0]).toEqual({ name: 'a', value: 30, perSecond: null })
  expect(metrics(now, { at: 10_000, counts: { a: 10, b: 5 } })).toEqual([
    { name: 'a', value: 30, perSecond: 10 },
    { name: 'b', value: 1, perSecond: null },
  ])
})
