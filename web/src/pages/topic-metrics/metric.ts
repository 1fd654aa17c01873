// Figures of the topics that somebody named, as the API gives them.
import { api, body, type Answer } from '@/api'
import type { Column } from '@/design/table'
import { t } from '@/words'
import { count, moment, rate } from '@/words/format'

export type Measured = Answer<'/api/v5/mqtt/topic_metrics'>[number]

export const TOPICS_MAX = 512

export function listMeasured(signal: AbortSignal): Promise<readonly Measured[]> {
  return body(api.GET('/api/v5/mqtt/topic_metrics', { signal }))
}

export async function measure(topic: string): Promise<void> {
  await api.POST('/api/v5/mqtt/topic_metrics', { body: { topic } })
}

/** A path cannot be `.` or `..`; these are not offered to be counted either. */
export function hasPath(topic: string): boolean {
  return topic !== '.' && topic !== '..'
}

export async function forget(topics: readonly string[]): Promise<void> {
  for (const topic of topics) await api.DELETE('/api/v5/mqtt/topic_metrics/{topic}', { params: { path: { topic } } })
}

/** All of them without a topic. */
export async function reset(topic?: string): Promise<void> {
  await api.PUT('/api/v5/mqtt/topic_metrics', { body: topic === undefined ? { action: 'reset' } : { action: 'reset', topic } })
}

type Name = keyof Measured['metrics']

function counted(key: Name, title: string, extra = {}): Column<Measured> {
  return { key, title, numeric: true, by: (m) => m.metrics[key], text: (m) => (key.endsWith('.rate') ? rate(m.metrics[key]) : count(m.metrics[key])), ...extra }
}

export function columns(): Column<Measured>[] {
  return [
    { key: 'topic', title: t('retained.topic'), by: (m) => m.topic, text: (m) => m.topic },
    counted('message.in.rate', t('metric.inRate')),
    counted('message.in.count', t('metric.in')),
    counted('message.out.rate', t('metric.outRate')),
    counted('message.out.count', t('metric.out')),
    counted('message.dropped.rate', t('metric.unreadRate')),
    counted('message.dropped.count', t('metric.unread')),
    { key: 'since', title: t('metric.since'), by: (m) => since(m), text: (m) => moment(since(m)) },
    ...([0, 1, 2] as const).flatMap((qos) => [
      counted(`message.qos${qos}.in.count`, t('metric.inQos', { qos }), { extra: true }),
      counted(`message.qos${qos}.out.count`, t('metric.outQos', { qos }), { extra: true }),
    ]),
  ]
}

function since(measured: Measured): number {
  return Date.parse(measured.reset_time ?? measured.create_time)
}
