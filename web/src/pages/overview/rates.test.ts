import { expect, it } from 'vitest'

import { joined, perSecond, rateOf, stepOf, type Tick } from './rates'

function tick(second: number, received: number): Tick {
  return { time_stamp: second * 1000, received, sent: 0, no_subscriber: 0, lost: {}, bytes_received: 0, bytes_sent: 0, clients: 0 }
}

const received = (one: Tick) => one.received

/** What a steady sender's seconds hold, from a moment on: the first of them is not whole. */
function seconds(every: number, phase: number, quiet: number, length: number): number[] {
  return Array.from({ length }, (_, at) => {
    const until = (end: number) => Math.max(0, Math.ceil((end - quiet - phase) / every))
    return until(at + 1) - until(at)
  })
}

it('reads what began within three seconds, whatever it was before', () => {
  for (const perSecondTrue of [1, 2, 5, 40, 1000, 20_000]) {
    for (const phase of [0.01, 0.3, 0.7, 0.99]) {
      const counts = seconds(1 / perSecondTrue, phase, 8, 11)
      expect(Math.abs(rateOf(counts) / perSecondTrue - 1), `${perSecondTrue} from ${phase}: ${counts.join()}`).toBeLessThanOrEqual(0.1)
    }
  }
  for (const [before, now] of [
    [100, 1000],
    [1000, 100],
    [20_000, 2],
  ] as const) {
    expect(rateOf([before, before, before, before, before, (before + now) / 2, now, now])).toBeCloseTo(now, 0)
  }
})

it('reads what began although a message came in the second beside its own', () => {
  for (const counts of [
    [0, 0, 0, 0, 0, 2, 0, 1, 1],
    [0, 0, 0, 0, 1, 2, 0, 1, 1],
    [0, 0, 0, 0, 1, 1, 0, 2, 1],
    [0, 0, 0, 0, 1, 1, 2, 1, 0],
    [0, 0, 0, 1, 1, 2, 0, 1, 1, 1],
  ]) {
    expect(rateOf(counts), counts.join()).toBeCloseTo(1, 1)
  }
  // One message a while ago is no rate of one a second.
  expect(rateOf([0, 0, 0, 0, 0, 0, 0, 0, 1, 0])).toBeCloseTo(0.1)
  expect(rateOf([0, 0, 0, 0, 0, 1, 0, 0, 0, 1])).toBeCloseTo(0.2)
})

it('reads what began shortly after a message of somebody else', () => {
  for (const [wanted, counts] of [
    [1, [0, 0, 1, 0, 0, 1, 1, 1, 1, 1]],
    [1, [0, 1, 0, 0, 0, 0, 1, 1, 1, 1]],
    [1, [0, 0, 0, 1, 0, 0, 1, 1, 1, 1]],
    [1, [0, 1, 1, 0, 0, 1, 1, 1, 1]],
    [1, [1, 1, 1, 0, 0, 0, 1, 1, 1, 1]],
    [1, [0, 1, 0, 2, 0, 0, 1, 1, 1, 1]],
    [2, [0, 0, 1, 0, 0, 1, 2, 2, 2, 2]],
    [2, [0, 1, 0, 0, 0, 1, 2, 2, 2, 2]],
    [2, [0, 0, 0, 1, 0, 1, 2, 2, 2, 2]],
  ] as const) {
    expect(Math.abs(rateOf(counts) / wanted - 1), counts.join()).toBeLessThanOrEqual(0.1 + 1e-9)
  }
})

it('is within a tenth where two messages came beside their seconds', () => {
  for (const counts of [
    [1, 1, 1, 1, 0, 2, 1, 1, 2, 0],
    [2, 2, 2, 2, 0, 4, 2, 2, 4, 0],
    [1, 1, 1, 1, 1, 0, 2, 1, 1, 2],
  ]) {
    const wanted = counts[0] ?? 0
    expect(Math.abs(rateOf(counts) / wanted - 1), counts.join()).toBeLessThanOrEqual(0.1 + 1e-9)
  }
})

it('reads nothing two seconds after the end', () => {
  expect(rateOf([1, 1, 1, 1, 1, 1, 0, 0])).toBe(0)
  expect(rateOf([900, 900, 900, 900, 900, 400, 0, 0])).toBe(0)
})

it('does not take a second of silence for the end', () => {
  expect(rateOf([1000, 1000, 1000, 1000, 1000, 0])).toBe(1000)
  expect(rateOf([1000, 1000, 1000, 1000, 0, 2000])).toBe(1000)
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
