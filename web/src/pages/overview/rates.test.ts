import { expect, it } from 'vitest'

import { joined, perSecond, stepOf, type Tick } from './rates'

function tick(second: number, received: number): Tick {
  return { time_stamp: second * 1000, received, sent: 0, no_subscriber: 0, lost: {}, bytes_received: 0, bytes_sent: 0, clients: 0 }
}

const received = (one: Tick) => one.received

it('reads two a second four seconds after they began', () => {
  const ticks = [0, 0, 0, 0, 2, 2, 2, 2].map((n, at) => tick(at, n))
  expect(perSecond(ticks, received)).toBe(2)
})

it('is steady where a second now and then has none or two', () => {
  for (const seconds of [
    [1, 1, 1, 1, 1, 0, 2, 1],
    [1, 1, 1, 1, 1, 1, 1, 0],
    [1, 1, 1, 1, 1, 1, 1, 2],
  ]) {
    expect(
      perSecond(
        seconds.map((n, at) => tick(at, n)),
        received,
      ),
    ).toBeCloseTo(1, 0)
  }
})

it('reads what is rare from more seconds', () => {
  const ticks = [0, 0, 0, 0, 1, 0, 0, 0, 0, 1].map((n, at) => tick(at, n))
  expect(perSecond(ticks, received)).toBeCloseTo(0.2)
})

it('reads nothing from nothing', () => {
  expect(perSecond([], received)).toBe(0)
  expect(perSecond([tick(1, 4)], received)).toBe(4)
})

it('joins what came to what was there', () => {
  const before = [tick(1, 1), tick(2, 1)]
  expect(joined(before, [tick(2, 9), tick(3, 1)]).map((one) => one.time_stamp / 1000)).toEqual([1, 2, 3])
  const many = Array.from({ length: 700 }, (_, at) => tick(at, 1))
  expect(joined([], many)).toHaveLength(600)
  expect(joined([tick(1000, 1)], [tick(5, 1)])).toEqual([tick(5, 1)])
})

it('knows the steps of the history', () => {
  expect([3600, 6 * 3600, 86_400, 3 * 86_400, 7 * 86_400].map(stepOf)).toEqual([10, 60, 60, 300, 600])
})
