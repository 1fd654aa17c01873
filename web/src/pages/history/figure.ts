// The kept history of figures, up to seven days: which charts it makes, and how it is saved as rows.
import { api, body } from '@/api'
import type { Curves } from '@/design/chart'
import type { Column } from '@/design/table'
import { curvesOf, stepOf, type Point } from '@/pages/overview/rates'
import { t, type Key } from '@/words'
import { count, rate } from '@/words/format'

const HOUR = 3600
export const SPANS = [
  { id: '1h', secs: HOUR, title: 'history.hour' },
  { id: '6h', secs: 6 * HOUR, title: 'history.hours6' },
  { id: '1d', secs: 24 * HOUR, title: 'history.day' },
  { id: '3d', secs: 72 * HOUR, title: 'history.days3' },
  { id: '7d', secs: 168 * HOUR, title: 'history.days7' },
] as const satisfies readonly { id: string; secs: number; title: Key }[]
export type SpanId = (typeof SPANS)[number]['id']

/** The shortest of up to a day that holds all that there is: a broker of today has no empty hours to show. */
export function fitting(all: readonly Point[]): SpanId {
  const secs = ((all.at(-1)?.time_stamp ?? 0) - (all[0]?.time_stamp ?? 0)) / 1000
  return SPANS.slice(0, 2).find((one) => secs < one.secs)?.id ?? '1d'
}

export function points(secs: number, signal: AbortSignal): Promise<readonly Point[]> {
  return body(api.GET('/api/v5/monitor', { params: { query: { latest: secs } }, signal }))
}

export async function forget(): Promise<void> {
  await api.DELETE('/api/v5/monitor')
}

export interface Chart {
  readonly title: string
  readonly curves: Curves
  readonly show: (value: number) => string
  /** Things are counted, and not how often something happens. */
  readonly whole: boolean
}

interface LineOf {
  readonly title: Key
  readonly colour: string
  readonly of: (point: Point) => number
}

export function chartsOf(all: readonly Point[], secs: number): Chart[] {
  const step = stepOf(secs)
  const chart = (title: Key, isRate: boolean, lines: readonly LineOf[]): Chart => ({
    title: t(title),
    curves: curvesOf(
      all,
      step,
      lines.map((line) => ({ title: t(line.title), colour: line.colour, of: (point: Point) => line.of(point) / (isRate ? step : 1) })),
      (point) => point.restarted === true,
    ),
    show: isRate ? rate : (n) => count(Math.round(n)),
    whole: !isRate,
  })
  return [
    chart('history.messages', true, [
      { title: 'rates.in', colour: '--in', of: (p) => p.received },
      { title: 'rates.out', colour: '--out', of: (p) => p.sent },
      { title: 'history.dropped', colour: '--unread', of: (p) => p.dropped },
    ]),
    chart('history.clients', false, [
      { title: 'history.online', colour: '--in', of: (p) => p.live_connections },
      { title: 'record.sessions', colour: '--out', of: (p) => p.connections },
    ]),
    chart('record.subscribed', false, [
      { title: 'node.subscriptions', colour: '--in', of: (p) => p.subscriptions },
      { title: 'node.topics', colour: '--out', of: (p) => p.topics },
    ]),
    chart('record.kept', true, [{ title: 'record.persisted', colour: '--out', of: (p) => p.persisted }]),
  ]
}

/** Everything of a point, for a file. */
export function columns(): Column<Point>[] {
  const numeric = (key: string, title: Key, of: (point: Point) => number): Column<Point> => ({ key, title: t(title), numeric: true, text: (point) => String(of(point)) })
  return [
    { key: 'at', title: t('record.at'), text: (point) => new Date(point.time_stamp).toISOString() },
    numeric('received', 'rates.in', (p) => p.received),
    numeric('sent', 'rates.out', (p) => p.sent),
    numeric('dropped', 'history.dropped', (p) => p.dropped),
    numeric('online', 'history.online', (p) => p.live_connections),
    numeric('sessions', 'record.sessions', (p) => p.connections),
    numeric('subscriptions', 'node.subscriptions', (p) => p.subscriptions),
    numeric('topics', 'node.topics', (p) => p.topics),
    numeric('persisted', 'record.persisted', (p) => p.persisted),
    { key: 'restarted', title: t('record.restarted'), text: (point) => t(point.restarted === true ? 'word.yes' : 'word.no') },
  ]
}
