// How bytes are taken for numbers: chosen once, and kept from payload to payload.
import { reactive } from 'vue'

import type { Kind } from './numbers'

export const layout = reactive({
  kind: 'int16' as Kind,
  little: true,
  channels: 1,
  skip: 0,
  as: 'chart' as 'chart' | 'table',
})

export const CHANNELS_MAX = 64

/** A whole number within bounds, whatever was typed. */
export function within(typed: unknown, least: number, most: number): number {
  const n = Math.trunc(Number(typed))
  return Number.isFinite(n) ? Math.max(least, Math.min(most, n)) : least
}
