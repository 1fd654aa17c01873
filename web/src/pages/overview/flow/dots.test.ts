import { expect, it } from 'vitest'

import { Dots, travelOf } from './dots'
import type { Curve } from './layout'

function curve(over: Partial<Curve>): Curve {
  return { key: 'p > t', side: 'in', from: 'p', to: 't', rate: 1, last: 1, loss: null, x0: 0, y0: 0, x1: 100, y1: 0, width: 2, ...over }
}

/** Dots that began, counted over some seconds with a tick each. */
function began(curves: Curve[], secs: number): number {
  const dots = new Dots()
  const seen = new Map<string, number>()
  let count = 0
  for (let now = 0; now < secs * 1_000; now += 10) {
    if (now % 1_000 === 0) dots.tick(curves, now)
    const shown = dots.at(now).filter((one) => one.curve === curves[0] && one.x < 4).length
    count += Math.max(0, shown - (seen.get('') ?? 0))
    seen.set('', shown)
  }
  return count
}

it('draws one dot for one message', () => {
  expect(began([curve({})], 20)).toBe(20)
  expect(began([curve({ rate: 4, last: 4 })], 20)).toBe(80)
  expect(began([curve({ rate: 0.2, last: 0 })], 20)).toBe(0)
})

it('sends a message on when it has reached its topic', () => {
  const dots = new Dots()
  const both = [curve({}), curve({ key: 't > r', side: 'out', from: 't', to: 'r', x0: 100, x1: 200 })]
  dots.tick(both, 0)
  const arrives = 500 + travelOf(1)
  const before = dots.at(arrives - 1)
  expect(before.map((one) => one.curve.side)).toEqual(['in'])
  expect(before[0]?.x).toBeCloseTo(100, 0)
  const behind = dots.at(arrives + 1)
  expect(behind.map((one) => one.curve.side)).toEqual(['out'])
  expect(behind[0]?.x).toBeCloseTo(100, 0)
})

it('is faster and closer where there is more, and bounded', () => {
  expect(travelOf(20_000)).toBeLessThan(travelOf(10))
  expect(began([curve({ rate: 20_000, last: 20_000 })], 10)).toBeGreaterThan(began([curve({ rate: 10, last: 10 })], 10))
  const dots = new Dots()
  const many = Array.from({ length: 400 }, (_, n) => curve({ key: `${n}`, rate: 500, last: 500 }))
  for (let now = 0; now <= 5_000; now += 1_000) dots.tick(many, now)
  expect(dots.at(5_500).length).toBeLessThan(500)
})

it('forgets what is on a line that is gone', () => {
  const dots = new Dots()
  dots.tick([curve({})], 0)
  dots.tick([], 700)
  expect(dots.at(800)).toEqual([])
})
