// Where everything stands: rows of three columns, in an order in which nobody jumps, and curves between them.
import type { Box, Lost, Place, Side, View } from './view'

/** Of a row, for its box. */
const BOX = 0.76
/** Rows stand so far apart where there is room, as a multiple of their height. */
const APART = 2

/** Who stands where in each column, from one second to the next. */
export type Order = Readonly<Record<Place, readonly string[]>>

export const NO_ORDER: Order = { publisher: [], topic: [], reader: [] }

export interface Size {
  readonly width: number
  readonly height: number
  /** Of a box. */
  readonly boxWidth: number
  /** Of a row, at most. */
  readonly row: number
  /** Of a topic's stub. */
  readonly stub: number
}

export interface Placed {
  readonly box: Box
  readonly x: number
  /** The middle of its row. */
  readonly y: number
  readonly height: number
}

export interface Curve {
  readonly key: string
  readonly side: Side | 'stub'
  readonly from: string
  /** The same as `from` for a stub. */
  readonly to: string
  readonly rate: number
  /** Messages of the last second. */
  readonly last: number
  readonly loss: Lost | null
  readonly x0: number
  readonly y0: number
  readonly x1: number
  readonly y1: number
  /** How wide it is drawn. */
  readonly width: number
}

export interface Layout {
  readonly placed: readonly Placed[]
  readonly curves: readonly Curve[]
  readonly stubs: readonly Curve[]
}

/** The order of before without those that are gone; new ones stand beside those that they belong to. */
export function ordered(before: Order, view: View): Order {
  const publisher = merged(before.publisher, of(view, 'publisher'), () => null)
  const beside = (place: 'from' | 'to', order: readonly string[]) => (key: string) => neighbour(view, key, place, order)
  const topic = merged(before.topic, of(view, 'topic'), beside('from', publisher))
  const reader = merged(before.reader, of(view, 'reader'), beside('from', topic))
  return { publisher, topic, reader }
}

function of(view: View, place: Place): Box[] {
  return view.boxes.filter((box) => box.place === place)
}

const names = new Intl.Collator(undefined, { numeric: true })

function merged(before: readonly string[], boxes: readonly Box[], rank: (key: string) => number | null): string[] {
  const now = new Map(boxes.map((box) => [box.key, box]))
  const order = before.filter((key) => now.has(key))
  const known = new Set(order)
  const fresh = boxes.filter((box) => !known.has(box.key)).sort((a, b) => (rank(a.key) ?? 0) - (rank(b.key) ?? 0) || names.compare(a.name, b.name))
  for (const box of fresh) {
    const mine = rank(box.key)
    const at = mine === null ? -1 : order.findIndex((key) => (rank(key) ?? Infinity) > mine)
    if (at < 0) order.push(box.key)
    else order.splice(at, 0, box.key)
  }
  // The others stand last.
  const isLast = (key: string) => now.get(key)?.kind === 'others'
  return [...order.filter((key) => !isLast(key)), ...order.filter(isLast)]
}

/** Where those stand, on average, from which it has its messages. */
function neighbour(view: View, key: string, end: 'from' | 'to', order: readonly string[]): number | null {
  const links = view.links.filter((link) => (end === 'from' ? link.to === key : link.from === key))
  const places = links.map((link) => order.indexOf(link[end])).filter((at) => at >= 0)
  return places.length === 0 ? null : places.reduce((sum, at) => sum + at, 0) / places.length
}

export function layoutOf(view: View, order: Order, size: Size): Layout {
  const left: Readonly<Record<Place, number>> = {
    publisher: 0,
    topic: (size.width - size.boxWidth) / 2,
    reader: size.width - size.boxWidth,
  }
  const boxes = new Map(view.boxes.map((box) => [box.key, box]))
  const placed = (Object.keys(left) as Place[]).flatMap((place) => {
    const keys = order[place]
    const step = Math.min(APART * size.row, size.height / Math.max(1, keys.length))
    const height = Math.min(step, size.row) * BOX
    const top = (size.height - step * keys.length) / 2
    return keys.flatMap((key, at) => {
      const box = boxes.get(key)
      return box === undefined ? [] : [{ box, x: left[place], y: top + step * (at + 0.5), height }]
    })
  })
  const at = new Map(placed.map((one) => [one.box.key, one]))
  const curves = view.links.flatMap((link): Curve[] => {
    const [from, to] = [at.get(link.from), at.get(link.to)]
    if (from === undefined || to === undefined) return []
    return [{ ...link, x0: from.x + size.boxWidth, y0: from.y, x1: to.x, y1: to.y, width: widthOf(link.rate) }]
  })
  const stubs = placed.flatMap(({ box, x, y }): Curve[] => {
    if (!view.stubs.has(box.key)) return []
    const x0 = x + size.boxWidth
    const last = view.links.filter((link) => link.to === box.key).reduce((sum, link) => sum + link.last, 0)
    const what = { key: `${box.key} stub`, side: 'stub' as const, from: box.key, to: box.key, rate: box.rate, last, loss: null }
    return [{ ...what, x0, y0: y, x1: x0 + size.stub, y1: y, width: widthOf(box.rate) }]
  })
  return { placed, curves, stubs }
}

/** Ten times the rate is a little more than two pixels. */
export function widthOf(rate: number): number {
  return 1.4 + 2.3 * Math.log10(1 + rate)
}

export function pathOf({ x0, y0, x1, y1 }: Curve): string {
  const bend = (x1 - x0) / 2
  return `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`
}

/** The point of a curve at a part of its way. */
export function pointOf({ x0, y0, x1, y1 }: Curve, t: number): readonly [number, number] {
  const bend = (x1 - x0) / 2
  const u = 1 - t
  const [a, b, c, d] = [u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t]
  return [a * x0 + b * (x0 + bend) + c * (x1 - bend) + d * x1, (a + b) * y0 + (c + d) * y1]
}
