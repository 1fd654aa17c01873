// Numbers that are pinned as charts: where each is, and how its curve grows from the messages seen.
import type { Curves } from '@/design/chart'
import { isTree, likelyForm, readTree } from '@/payload/forms'
import { pathText, valueAt, type Step } from '@/payload/outline'
import { decoded, likelyCharset } from '@/payload/text'
import { asNumber } from '@/payload/value'

import { payloadOf, type Message } from './topic'

export interface Pin {
  readonly topic: string
  /** Empty for a payload that is a number itself. */
  readonly path: readonly Step[]
}

/** The broker keeps the messages of eight topics at a time, the chosen one among them. */
export const PINS_MAX = 6
const POINTS_MAX = 1200

export function keyOf(pin: Pin): string {
  return JSON.stringify([pin.topic, ...pin.path])
}

export function titleOf(pin: Pin): string {
  return pin.path.length === 0 ? pin.topic : `${pin.topic} ${pathText(pin.path)}`
}

export function written(pins: readonly Pin[]): string {
  return pins.map((pin) => encodeURIComponent(keyOf(pin))).join(',')
}

export function parsed(text: string): Pin[] {
  const pins: Pin[] = []
  for (const one of text.split(',').slice(0, PINS_MAX)) {
    try {
      const [topic, ...path] = JSON.parse(decodeURIComponent(one)) as unknown[]
      const isPath = path.every((step) => typeof step === 'string' || typeof step === 'number')
      if (typeof topic === 'string' && isPath) pins.push({ topic, path: path as Step[] })
    } catch {
      // An address that was cut is no reason to show nothing.
    }
  }
  return pins
}

/** The number in a payload; `null` if there is none. */
export function numberIn(bytes: Uint8Array, path: readonly Step[]): number | null {
  const form = likelyForm(bytes)
  if (!isTree(form)) {
    const text = path.length === 0 ? decoded(bytes, 'utf-8').trim() : ''
    return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : null
  }
  const read = readTree(bytes, form, likelyCharset(bytes) ?? 'utf-8')
  const found = 'value' in read ? valueAt(read.value, path) : undefined
  return found === undefined ? null : asNumber(found)
}

export interface Series {
  readonly times: readonly number[]
  readonly values: readonly (number | null)[]
}

export const EMPTY: Series = { times: [], values: [] }

/** With what came since; messages come again and again until a hundred newer ones did. */
export function grown(series: Series, messages: readonly Message[], path: readonly Step[]): Series {
  const last = series.times.at(-1) ?? 0
  const fresh = messages.filter((message) => message.time_stamp / 1000 > last)
  if (fresh.length === 0) return series
  const times = [...series.times, ...fresh.map((message) => message.time_stamp / 1000)]
  const values = [...series.values, ...fresh.map((message) => numberIn(payloadOf(message), path))]
  return { times: times.slice(-POINTS_MAX), values: values.slice(-POINTS_MAX) }
}

export function curvesOf(series: Series, title: string): Curves {
  return { times: series.times, lines: [{ title, colour: '--in', values: series.values }], restarts: [] }
}
