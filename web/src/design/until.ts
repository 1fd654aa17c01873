// How long something holds, as it is chosen: for so many seconds, for good, or until a moment.
import { t } from '@/words'

export const EVER = 'ever'
export const CHOSEN = 'at'

export interface Until {
  /** Seconds, `ever` or `at`. */
  span: string
  /** With `at`: a local time as the browser's field has it, such as `2026-01-31T18:00`. */
  at: string
}

/** As the API takes it. */
export function untilTime(until: Until, now: number): string {
  if (until.span === EVER) return 'infinity'
  const at = until.span === CHOSEN ? Date.parse(until.at) : now + Number(until.span) * 1000
  return new Date(at).toISOString()
}

export function untilFault(until: Until, now: number): 'empty' | 'past' | null {
  if (until.span !== CHOSEN) return null
  const at = Date.parse(until.at)
  if (Number.isNaN(at)) return 'empty'
  return at <= now ? 'past' : null
}

/** A time of the API as a choice. */
export function untilFrom(time: string): Until {
  return time === 'infinity' ? { span: EVER, at: '' } : { span: CHOSEN, at: localTime(Date.parse(time)) }
}

/** As the browser's field for local times has it, to the minute. */
export function localTime(millis: number): string {
  const zone = new Date(millis).getTimezoneOffset() * 60_000
  return new Date(millis - zone).toISOString().slice(0, 16)
}

const UNITS = [
  { secs: 86_400, word: 'until.days' },
  { secs: 3600, word: 'until.hours' },
  { secs: 60, word: 'until.minutes' },
] as const

/** A span in the largest unit that it is a whole number of. */
export function spanText(secs: number): string {
  const unit = UNITS.find((one) => secs % one.secs === 0) ?? UNITS[2]
  return t(unit.word, { n: secs / unit.secs })
}
