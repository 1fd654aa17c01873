import { beforeAll, expect, it } from 'vitest'

import type { Point } from '@/pages/overview/rates'
import { speak } from '@/words'

import { chartsOf, columns, fitting } from './figure'

beforeAll(() => speak('en'))

const POINT = { time_stamp: 10_000, received: 100, sent: 50, dropped: 0, live_connections: 3, connections: 4, subscriptions: 5, topics: 2, persisted: 20 } as Point

it('draws what is counted in a step as a rate, and what there is as it is', () => {
  const [messages, clients] = chartsOf([POINT, { ...POINT, time_stamp: 20_000, restarted: true }], 3600)
  expect(messages?.curves.lines.map((line) => line.values[0])).toEqual([10, 5, 0])
  expect(messages?.curves.restarts).toEqual([20])
  expect(clients?.curves.lines.map((line) => line.values[0])).toEqual([3, 4])
})

it('saves every figure', () => {
  const texts = columns().map((column) => column.text(POINT))
  expect(texts).toEqual(['1970-01-01T00:00:10.000Z', '100', '50', '0', '3', '4', '5', '2', '20', 'no'])
})

it('fits the time that is shown to what there is', () => {
  const after = (secs: number): Point[] => [POINT, { ...POINT, time_stamp: POINT.time_stamp + secs * 1000 }]
  expect([fitting([]), fitting(after(600)), fitting(after(3600)), fitting(after(6 * 3600)), fitting(after(90_000))]).toEqual(['1h', '1h', '6h', '1d', '1d'])
})
