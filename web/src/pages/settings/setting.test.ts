import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { fits, groupOf, originOf, warningOf, written, type Setting } from './setting'

beforeAll(() => speak('en'))

const one: Setting = {
  key: 'mqtt.max_inflight',
  value: 100,
  default: 1024,
  origin: { from: 'saved' },
  saved: 100,
  allowed: { en: 'a whole number, 1 to 65535', zh: '' },
  doc: { en: 'QoS 1 and 2 messages under way', zh: '在途的消息数' },
  applies: 'now',
  pending: false,
}

it('puts settings into groups', () => {
  const groups: Record<string, string> = {
    data_dir: 'node',
    profile: 'node',
    'flapping_detect.enable': 'connections',
    'store.max_age': 'node',
    'listeners.tcp.default.bind': 'listeners',
    'lan_guard.trusted': 'dashboard',
    'mqtt.allow_anonymous': 'connections',
    'mqtt.max_packet_size': 'connections',
    'mqtt.max_topic_alias': 'messages',
    'mqtt.max_retained_size': 'messages',
    'mqtt.max_subscriptions': 'sessions',
    'mqtt.max_awaiting_rel': 'sessions',
    'mqtt.max_queue_bytes': 'queues',
    'mqtt.of_tomorrow': 'other',
    'tls.of_tomorrow': 'other',
  }
  for (const [key, group] of Object.entries(groups)) expect(groupOf(key), key).toBe(group)
})

it('finds settings by key, meaning and state', () => {
  expect(fits(one, 'inflight', 'all', 'all')).toBe(true)
  expect(fits(one, '在途', 'sessions', 'changed')).toBe(true)
  expect(fits(one, 'under QOS', 'all', 'all')).toBe(true)
  expect(fits(one, '', 'queues', 'all')).toBe(false)
  expect(fits(one, '', 'all', 'pending')).toBe(false)
  expect(fits(one, '', 'all', 'locked')).toBe(false)
  expect(fits({ ...one, origin: { from: 'default' } }, '', 'all', 'changed')).toBe(false)
})

it('says where a value comes from, and what it is', () => {
  expect(originOf(one)).toBe('Dashboard')
  expect(originOf({ ...one, origin: { from: 'file', path: '/etc/ternmq.toml', line: 7 } })).toContain('7')
  expect(written('none')).toBe('no limit')
  expect(written([])).toBe('none')
  expect(written(['a', 'b'])).toBe('a, b')
})

it('warns of what cuts somebody off', () => {
  expect(warningOf('listeners.tcp.default.enabled')).toBe('warnListener')
  expect(warningOf('dashboard.bind')).toBe('warnDashboard')
  expect(warningOf('dashboard.max_topics')).toBeNull()
})
