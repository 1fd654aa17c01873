import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { bytesOf, factsOf, gaugesOf, memoryOf, type Node, type View } from './node'

beforeAll(() => speak('en'))

const NODE = {
  node: 'ternmq@127.0.0.1',
  version: '0.1.0',
  uptime: 60_000,
  memory_total: '2.00G',
  memory_used: '512.00M',
  load1: 0.5,
  load5: 0.25,
  load15: 0,
  max_fds: 1024,
  sys_path: '/data',
  open_files: 9,
  resident_bytes: 1000,
  memory_by_use: { connections: 100, sessions: 200, queues: 300, retained: 0 },
} as Node

const RECOVERY = { is_new: false, closed: false, files: 1, bytes: 10, messages: 3, keys: 2, dropped_bytes: 0, damage: [], took_ms: 5 }
const VIEW: View = { node: NODE, stats: { 'sessions.count': 3, 'sessions.max': 7, 'delayed.count': 1, 'live_connections.count': 2 }, recovery: RECOVERY, settings: new Map<string, unknown>([['mqtt.max_sessions', 10], ['mqtt.max_delayed', 0]]) }

it('reads sizes as EMQX writes them', () => {
  expect(bytesOf('1.50K')).toBe(1536)
  expect(bytesOf('2.00G')).toBe(2 ** 31)
  expect(bytesOf('17')).toBe(17)
})

it('tells how the start found the data', () => {
  const told = (recovery: View['recovery']) => factsOf({ ...VIEW, recovery }, 0).at(-1)?.facts ?? []
  expect(told(RECOVERY)[0]?.value).toContain('power cut')
  expect(told({ ...RECOVERY, damage: ['x'] }).some((fact) => fact.bad && fact.value === 'x')).toBe(true)
  expect(told({ ...RECOVERY, is_new: true })).toHaveLength(1)
  expect(factsOf({ ...VIEW, recovery: null }, 0)).toHaveLength(2)
})

it('sets what there is against what there may be', () => {
  const gauges = new Map(gaugesOf(VIEW).map((gauge) => [gauge.title, gauge]))
  expect(gauges.get('Sessions')).toMatchObject({ now: 3, most: 7, limit: 10, setting: 'mqtt.max_sessions' })
  expect(gauges.get('Messages that wait for their time')?.limit).toBe(1_000_000)
  expect(gauges.get('Open files')).toMatchObject({ now: 9, limit: 1024 })
  expect(gauges.get('Subscriptions')?.limit).toBeNull()
})

it('tells what memory is used for, the rest too', () => {
  const uses = memoryOf(VIEW)
  expect(uses.map((use) => use.now)).toEqual([100, 200, 300, 0, 400, 512 * 2 ** 20])
  expect(uses.every((use) => use.limit === 2 ** 31)).toBe(true)
  expect(memoryOf({ ...VIEW, node: { ...NODE, resident_bytes: null } })).toHaveLength(5)
})
