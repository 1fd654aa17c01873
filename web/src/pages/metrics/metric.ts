// The broker's counters: in groups, each with a line that says what it counts.
import { api, body } from '@/api'
import type { Column } from '@/design/table'
import { maybe, t } from '@/words'
import { count, rate, size } from '@/words/format'

export const GROUPS = ['bytes', 'messages', 'delivery', 'packets', 'client', 'session', 'access', 'other'] as const
export type Group = (typeof GROUPS)[number]

export interface Metric {
  readonly name: string
  readonly value: number
  /** A second, since the last look; null at the first one. */
  readonly perSecond: number | null
}

export interface Look {
  readonly at: number
  readonly counts: Readonly<Record<string, number>>
}

export async function look(signal: AbortSignal): Promise<Look> {
  const given = await body(api.GET('/api/v5/metrics', { params: { query: { aggregate: true } }, signal }))
  const counts: Record<string, number> = {}
  for (const [name, value] of Object.entries(given as object)) if (typeof value === 'number') counts[name] = value
  return { at: Date.now(), counts }
}

/** What was counted, with the rate since an earlier look. A broker that began anew has none. */
export function metrics(now: Look, before: Look | null): Metric[] {
  const secs = before === null ? 0 : (now.at - before.at) / 1000
  return Object.entries(now.counts).map(([name, value]) => {
    const grown = value - (before?.counts[name] ?? value)
    return { name, value, perSecond: secs > 0 && grown >= 0 ? grown / secs : null }
  })
}

export function groupOf(name: string): Group {
  const first = name.split('.')[0] ?? ''
  if (first === 'authorization' || first === 'authentication') return 'access'
  return GROUPS.find((group) => group === first) ?? 'other'
}

/** What it counts, in a line. Packets of one kind are counted alike. */
export function help(name: string): string {
  const own = maybe(`metrics.of.${name.replaceAll('.', '_')}`)
  if (own !== undefined) return own
  const [, packet, what] = /^packets\.([a-z]+)\.(\w+)$/.exec(name) ?? []
  return (packet === undefined ? undefined : maybe(`metrics.packet.${what}`, { packet: packet.toUpperCase() })) ?? ''
}

export function fits(metric: Metric, text: string, group: string, isBusy: boolean): boolean {
  if (group !== 'all' && groupOf(metric.name) !== group) return false
  if (isBusy && metric.value === 0) return false
  const words = `${metric.name} ${help(metric.name)}`.toLowerCase()
  return text.toLowerCase().split(/\s+/).every((word) => words.includes(word))
}

export function columns(): Column<Metric>[] {
  const isBytes = (metric: Metric) => metric.name.startsWith('bytes.')
  return [
    { key: 'name', title: t('metrics.name'), by: (m) => m.name, text: (m) => m.name },
    { key: 'help', title: t('metrics.what'), long: true, text: (m) => help(m.name) },
    { key: 'value', title: t('metrics.value'), numeric: true, by: (m) => m.value, text: (m) => (isBytes(m) ? size(m.value) : count(m.value)) },
    {
      key: 'rate',
      title: t('metrics.rate'),
      numeric: true,
      by: (m) => m.perSecond ?? 0,
      text: (m) => (m.perSecond === null || m.perSecond === 0 ? '–' : isBytes(m) ? size(m.perSecond) : rate(m.perSecond)),
    },
  ]
}
