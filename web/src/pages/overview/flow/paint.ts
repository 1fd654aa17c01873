// Draws the dots. Lines and boxes are elements of the page and change once a second; this is done for
// every picture on the screen, and does nothing else.
import type { Shown } from './dots'

export interface Colours {
  readonly in: string
  readonly out: string
  readonly stub: string
  readonly lost: string
}

const TURN = 2 * Math.PI

export function paint(canvas: HTMLCanvasElement, dots: readonly Shown[], colours: Colours, scale: number): void {
  const context = canvas.getContext('2d')
  if (context === null) return
  const ratio = canvas.width / Math.max(1, canvas.clientWidth)
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight)
  for (const kind of ['in', 'out', 'stub', 'lost'] as const) {
    const those = dots.filter((dot) => kindOf(dot) === kind)
    if (those.length === 0) continue
    context.fillStyle = colours[kind]
    context.beginPath()
    for (const { x, y, single } of those) {
      const radius = (single ? 4 : 2.6) * scale
      context.moveTo(x + radius, y)
      context.arc(x, y, radius, 0, TURN)
    }
    context.fill()
  }
}

function kindOf({ curve }: Shown): keyof Colours {
  return curve.loss === null ? curve.side : 'lost'
}

/** As many points as the screen has, but no more than are seen. */
export function fit(canvas: HTMLCanvasElement, width: number, height: number): void {
  const ratio = Math.min(2, devicePixelRatio)
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(height * ratio)
}
