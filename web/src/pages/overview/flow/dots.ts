// The dots on the lines. Below five messages a second each is one message, sent on when it reaches its
// topic; above, they are closer and faster the more there are.
import { pointOf, type Curve } from './layout'

export const SLOW = 5
/** Of all lines together, in flight at a time. */
const DOTS_MAX = 320

interface Dot {
  readonly curve: string
  readonly begins: number
  readonly takes: number
}

export interface Shown {
  readonly x: number
  readonly y: number
  readonly curve: Curve
  /** A single message. */
  readonly single: boolean
}

/** Milliseconds from one end of a line to the other. */
export function travelOf(rate: number): number {
  return 1_500 / (1 + 0.4 * Math.log10(1 + rate))
}

/** Dots a second on a line. */
export function dotsOf(rate: number): number {
  return SLOW + 3 * Math.log10(Math.max(1, rate / SLOW))
}

export class Dots {
  private dots: Dot[] = []
  private curves = new Map<string, Curve>()
  /** When a busy line's next dot is due. */
  private due = new Map<string, number>()

  /** A second is over: what was counted in it goes its way in the next one. */
  tick(curves: readonly Curve[], now: number): void {
    this.curves = new Map(curves.map((curve) => [curve.key, curve]))
    const arrival = arrivals(curves)
    const busy = curves.filter((curve) => curve.rate >= SLOW).reduce((sum, curve) => sum + (dotsOf(curve.rate) * travelOf(curve.rate)) / 1_000, 0)
    const thinner = Math.max(1, busy / DOTS_MAX)
    const due = new Map<string, number>()
    for (const curve of curves) {
      if (curve.rate < SLOW) {
        this.single(curve, now + (curve.side === 'in' ? 0 : (arrival.get(curve.from) ?? 0)))
      } else {
        due.set(curve.key, this.stream(curve, now, thinner))
      }
    }
    this.due = due
  }

  /** Where each dot is. */
  at(now: number): Shown[] {
    const shown: Shown[] = []
    let write = 0
    for (const dot of this.dots) {
      const curve = this.curves.get(dot.curve)
      if (curve === undefined || now >= dot.begins + dot.takes) continue
      this.dots[write++] = dot
      if (now < dot.begins) continue
      const [x, y] = pointOf(curve, (now - dot.begins) / dot.takes)
      shown.push({ x, y, curve, single: curve.rate < SLOW })
    }
    this.dots.length = write
    return shown
  }

  private single(curve: Curve, from: number): void {
    const count = Math.min(Math.round(curve.last), SLOW)
    for (let one = 0; one < count; one += 1) {
      this.dots.push({ curve: curve.key, begins: from + ((one + 0.5) * 1_000) / count, takes: travelOf(curve.rate) })
    }
  }

  private stream(curve: Curve, now: number, thinner: number): number {
    const every = (1_000 / dotsOf(curve.rate)) * thinner
    let begins = Math.max(now, this.due.get(curve.key) ?? 0)
    // A little more than a second, so that none is missing when the next one comes late.
    for (; begins < now + 1_100; begins += every) {
      this.dots.push({ curve: curve.key, begins, takes: travelOf(curve.rate) })
    }
    return begins
  }
}

/** How long a message needs to each topic. */
function arrivals(curves: readonly Curve[]): Map<string, number> {
  const all = new Map<string, number>()
  for (const curve of curves) {
    if (curve.side === 'in') all.set(curve.to, Math.max(all.get(curve.to) ?? 0, travelOf(curve.rate)))
  }
  return all
}
