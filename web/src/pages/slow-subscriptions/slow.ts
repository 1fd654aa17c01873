// The slowest subscriptions, and what is slow, as the API gives them.
import { api, body, type Answer } from '@/api'
import type { Page } from '@/design/list'
import type { Column } from '@/design/table'
import { t } from '@/words'
import { count, moment } from '@/words/format'

export type Slow = Answer<'/api/v5/slow_subscriptions'>['data'][number]
export type Settings = Answer<'/api/v5/slow_subscriptions/settings'>

export const SPANS: readonly Settings['stats_type'][] = ['whole', 'internal', 'response']
export const TOP_MAX = 1000

/** There are a thousand at most, so all are looked through here. */
export async function listSlow(text: string, page: number, limit: number, signal?: AbortSignal): Promise<Page<Slow>> {
  const query = text === '' ? { page, limit } : { page: 1, limit: TOP_MAX }
  const found = await body(api.GET('/api/v5/slow_subscriptions', { params: { query }, signal: signal ?? null }))
  if (text === '') return found
  const fits = found.data.filter((slow) => [slow.topic, slow.clientid].some((one) => one.includes(text)))
  return { data: fits.slice((page - 1) * limit, page * limit), meta: { count: fits.length, hasnext: fits.length > page * limit } }
}

export function settings(signal: AbortSignal): Promise<Settings> {
  return body(api.GET('/api/v5/slow_subscriptions/settings', { signal }))
}

export async function change(to: Partial<Settings>): Promise<void> {
  await api.PUT('/api/v5/slow_subscriptions/settings', { body: to })
}

export async function clear(): Promise<void> {
  await api.DELETE('/api/v5/slow_subscriptions')
}

/** As the API writes a time: a number and ms, s, m, h or d. */
export function isSpan(text: string): boolean {
  return /^[1-9]\d{0,9}(ms|s|m|h|d)$/.test(text)
}

export function columns(): Column<Slow>[] {
  return [
    { key: 'clientid', title: t('client.id'), by: (s) => s.clientid, text: (s) => s.clientid },
    { key: 'topic', title: t('retained.topic'), by: (s) => s.topic, text: (s) => s.topic },
    { key: 'timespan', title: t('slow.took'), numeric: true, by: (s) => s.timespan, text: (s) => t('slow.ms', { n: count(s.timespan) }) },
    { key: 'at', title: t('slow.at'), by: (s) => s.last_update_time, text: (s) => moment(s.last_update_time) },
  ]
}
