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

/** The seconds that a rate is taken from: few where much happens, more where little does. */
const QUICK = 5
const STEADY = 10
/** Messages of the quick seconds from which on one that comes in the second beside its own is no tenth of them. */
const MANY = 10
/** Seconds that tell a rate of few messages. */
const LEAST = 3
const ROUNDED = 1e-9
/** Messages a second more or less that are the same as before. */
const SLACK = 3

/** Per second, as of the last tick. */
export function perSecond(ticks: readonly Tick[], of: (tick: Tick) => number): number {
  return rateOf(ticks.slice(-STEADY).map(of))
}

/** A rate from what was counted in each of the last seconds, the newest last: of the time since it last changed. */
export function rateOf(counts: readonly number[]): number {
  const newest = counts.slice(-STEADY).reverse()
  if (ended(newest)) return 0
  const since = begun(newest) ?? agreeing(newest)
  const quick = trimmed(since.slice(0, QUICK))
  return sum(quick) >= MANY || since.length < newest.length ? mean(quick) : straight(newest)
}

/** Nothing for two seconds, and something in every one before. */
function ended(newest: readonly number[]): boolean {
  const before = newest.slice(2)
  return before.length >= 4 && newest[0] === 0 && newest[1] === 0 && before.every((n) => n > 0)
}

/**
 * What came since it was quiet for two seconds; the first after that was not a whole one. Where it was quiet for longer,
 * one second may be empty for a message that came in the next one.
 */
function begun(newest: readonly number[]): readonly number[] | null {
  const end = newest.findIndex((n, at) => n === 0 && newest[at + 1] === 0)
  const since = newest.slice(0, Math.max(0, end - 1))
  const empty = since.filter((n) => n === 0).length
  const isSure = newest[end + 2] === 0 ? since.some((n) => n > 0) && empty <= 1 : since.length >= LEAST && empty === 0
  return isSure ? since : null
}

/** The last seconds as far back as they are about the same as now. */
function agreeing(newest: readonly number[]): readonly number[] {
  const [a = 0, b = a, c = b] = newest
  const now = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
  const slack = Math.max(SLACK, 0.3 * now, 3 * Math.sqrt(now))
  const other = newest.findIndex((n, at) => at >= 3 && Math.abs(n - now) > slack)
  return other < 0 ? newest : newest.slice(0, other)
}

/**
 * The rate of the few messages that came, since it last changed. Who sends steadily is about a message off a straight line,
 * summed up, and hardly two: there it changed, and the first second after that was not a whole one.
 */
function straight(newest: readonly number[]): number {
  const one = Math.max(1, mean(newest))
  const isSteady = strip(newest) < 2 * one - ROUNDED
  for (let many = isSteady ? 0 : newest.length - 1; many >= LEAST; many--) {
    if (strip(newest.slice(0, many)) <= one + ROUNDED) return mean(newest.slice(0, many - 1))
  }
  return mean(newest)
}

/** How wide the narrowest strip is that has the sums of all first counts; it has two of them on one of its edges. */
function strip(counts: readonly number[]): number {
  const sums = [0]
  for (const count of counts) sums.push((sums.at(-1) ?? 0) + count)
  let narrowest = Infinity
  for (const [from, a] of sums.entries()) {
    for (const [to, b] of sums.entries()) {
      if (to <= from) continue
      const slope = (b - a) / (to - from)
      let [least, most] = [Infinity, -Infinity]
      for (const [at, sum] of sums.entries()) {
        least = Math.min(least, sum - slope * at)
        most = Math.max(most, sum - slope * at)
      }
      narrowest = Math.min(narrowest, most - least)
    }
  }
  return narrowest
}

/** Without the greatest and the least: a message that comes a little late makes both. */
function trimmed(values: readonly number[]): readonly number[] {
  return values.length < 3 ? values : [...values].sort((a, b) => a - b).slice(1, -1)
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length
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
