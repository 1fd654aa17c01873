// Numbers, times and sizes as people read them, in the language of the page.
import { locale, t } from './index'

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB']

export function count(n: number): string {
  return n.toLocaleString(locale())
}

/** Messages per second: exact where it is little, short where it is much. */
export function rate(n: number): string {
  if (n > 0 && n < 10) return n.toLocaleString(locale(), { maximumFractionDigits: 1 })
  if (n < 100_000) return Math.round(n).toLocaleString(locale())
  return `${(n / 1000).toLocaleString(locale(), { maximumFractionDigits: 0 })}k`
}

export function size(bytes: number): string {
  let unit = 0
  let n = bytes
  while (n >= 1024 && unit < UNITS.length - 1) {
    n /= 1024
    unit += 1
  }
  const digits = unit === 0 || n >= 100 ? 0 : 1
  return `${n.toLocaleString(locale(), { maximumFractionDigits: digits })} ${UNITS[unit] ?? ''}`
}

/** The two largest units of a time. */
export function duration(seconds: number): string {
  const s = Math.floor(seconds)
  if (s < 60) return t('time.seconds', { s })
  const m = Math.floor(s / 60)
  if (m < 60) return t('time.minutes', { m, s: s % 60 })
  const h = Math.floor(m / 60)
  if (h < 48) return t('time.hours', { h, m: m % 60 })
  return t('time.days', { d: Math.floor(h / 24), h: h % 24 })
}

/** The time of day. */
export function clock(millis: number): string {
  return new Date(millis).toLocaleTimeString(locale(), { hour12: false })
}

/** A moment: the time alone if it is of today. */
export function moment(millis: number): string {
  const at = new Date(millis)
  const isToday = at.toDateString() === new Date().toDateString()
  return isToday
    ? at.toLocaleTimeString(locale(), { hour12: false })
    : at.toLocaleString(locale(), { hour12: false })
}

/** With milliseconds, for what is told apart by them. */
export function exact(millis: number): string {
  const at = new Date(millis)
  const ms = String(at.getMilliseconds()).padStart(3, '0')
  return `${at.toLocaleTimeString(locale(), { hour12: false })}.${ms}`
}
