// The flow as the feed tells it, second by second: nodes, lines with what was counted lately, losses.
import type { ColumnName, Feeds, PictureChange, PictureLine } from '@/app/feeds'

import { rateOf } from '../rates'

export type Loss = Feeds['losses'][number]

export interface Node {
  readonly n: number
  readonly column: ColumnName
  readonly name: string
  readonly count: number
  readonly away: boolean
  readonly queued: number
  readonly inFlight: number
}

export interface Line {
  readonly from: number
  readonly to: number
  /** Messages of the last second. */
  readonly last: number
  /** Messages a second of the last seconds, the newest last. */
  readonly counts: readonly number[]
  /** The first second of a line is seldom a whole one. */
  readonly young: boolean
}

export interface Flow {
  readonly nodes: ReadonlyMap<number, Node>
  readonly in: ReadonlyMap<string, Line>
  readonly out: ReadonlyMap<string, Line>
}

export const NO_FLOW: Flow = { nodes: new Map(), in: new Map(), out: new Map() }

/** Seconds that are kept of a line. */
const KEPT = 10

export function applied(before: Flow, change: PictureChange): Flow {
  const flow = change.whole ? NO_FLOW : before
  const nodes = new Map(flow.nodes)
  for (const n of change.gone ?? []) nodes.delete(n)
  for (const node of change.nodes ?? []) {
    nodes.set(node.n, {
      n: node.n,
      column: node.column,
      name: node.name,
      count: node.count,
      away: node.away ?? false,
      queued: node.queued ?? 0,
      inFlight: node.in_flight ?? 0,
    })
  }
  return { nodes, in: next(flow.in, change.in ?? [], nodes, change.millis), out: next(flow.out, change.out ?? [], nodes, change.millis) }
}

/** Every line is a second older; those that are not named had as many messages as before. */
function next(lines: ReadonlyMap<string, Line>, changes: readonly PictureLine[], nodes: ReadonlyMap<number, Node>, millis: number): Map<string, Line> {
  // A second is seldom one to the millisecond; whole messages stay whole.
  const toSecond = millis > 900 && millis < 1_100 ? 1 : 1_000 / Math.max(1, millis)
  const now = new Map<string, Line>()
  const changed = new Map(changes.map((line) => [`${line[0]}-${line[1]}`, line]))
  for (const [key, line] of lines) {
    const named = changed.get(key)
    const count = named === undefined ? line.last : named[2]
    changed.delete(key)
    if (count === null || !nodes.has(line.from) || !nodes.has(line.to)) continue
    const before = line.young ? [] : line.counts.slice(1 - KEPT)
    now.set(key, { ...line, last: count, counts: [...before, count * toSecond], young: false })
  }
  for (const [key, [from, to, count]] of changed) {
    if (count !== null && nodes.has(from) && nodes.has(to)) now.set(key, { from, to, last: count, counts: [count * toSecond], young: true })
  }
  return now
}

/** Messages a second. */
export function rateOfLine(line: Line): number {
  return rateOf(line.counts)
}
