// The seconds of the last ten minutes, and what is read from them.
import type { Answer } from '@/api'
import { withGaps, type Curves, type Line } from '@/design/chart'

export type Tick = Answer<'/api/v5/monitor_seconds'>[number]
export type Point = Answer<'/api/v5/monitor'>[number]

export const KEPT = 600

/** Those that were there and those that came, without what is too old. */
export function joined(before: readonly Tick[], fresh: readonly Tick[]): readonly Tick[] {
  const last = before.at(-1)?.time_stamp ?? 0
  // A broker whose clock went back, or another one: what was there belongs to no line with it.
  if (fresh.length > 0 && fresh.every((tick) => tick.time_stamp < last - 60_000)) return fresh
  return [...before, ...fresh.filter((tick) => tick.time_stamp > last)].slice(-KEPT)
}

export function lost(tick: Tick): number {
  return Object.values(tick.lost).reduce((sum, n) => sum + n, 0)
}

/** The seconds that a rate is taken from: the first of these windows in which enough happened. */
const QUICK = 5
const STEADY = 10
const ENOUGH = 3

/** Per second, as of the last tick: quick where much happens, steady where little does. */
export function perSecond(ticks: readonly Tick[], of: (tick: Tick) => number): number {
  const quick = ticks.slice(-QUICK).map(of)
  if (quick.length === QUICK) {
    // The greatest and the least second do not count: a message that comes a little late makes both.
    const middle = quick.sort((a, b) => a - b).slice(1, -1)
    if (sum(middle) >= ENOUGH) return sum(middle) / middle.length
  }
  const steady = ticks.slice(-STEADY).map(of)
  return steady.length === 0 ? 0 : sum(steady) / steady.length
}

function sum(values: readonly number[]): number {
  return values.reduce((all, one) => all + one, 0)
}

interface Kind {
  readonly title: string
  readonly colour: string
}

function lines<T>(rows: readonly T[], from: readonly (number | null)[], kinds: readonly (Kind & { of: (row: T) => number })[]): Line[] {
  return kinds.map(({ title, colour, of }) => ({
    title,
    colour,
    values: from.map((at) => {
      const row = at === null ? undefined : rows[at]
      return row === undefined ? null : of(row)
    }),
  }))
}

export function curvesOf<T extends { time_stamp: number }>(
  rows: readonly T[],
  step: number,
  kinds: readonly (Kind & { of: (row: T) => number })[],
  restarted: (row: T) => boolean,
): Curves {
  const { times, from } = withGaps(
    rows.map((row) => row.time_stamp / 1000),
    step,
  )
  return {
    times,
    lines: lines(rows, from, kinds),
    restarts: rows.filter(restarted).map((row) => row.time_stamp / 1000),
  }
}

/** The step in seconds of a history of so many seconds. */
export function stepOf(span: number): number {
  const HOUR = 3600
  if (span <= HOUR) return 10
  if (span <= 24 * HOUR) return 60
  return span <= 72 * HOUR ? 300 : 600
}
