// Keeps what opens beside something inside the window.

/** As much stays free at the edges. */
const MARGIN = 12

/** By how many pixels something from `left` to `right` has to move: to be seen, at least from its beginning on. */
export function shiftInto(left: number, right: number, width: number): number {
  const moved = left + Math.min(0, width - MARGIN - right)
  return Math.max(moved, MARGIN) - left
}
