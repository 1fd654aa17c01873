// Alarms: what is nearly used up, or was.
import { api, body, type Answer } from '@/api'
import type { Page } from '@/design/list'
import type { Column } from '@/design/table'
import { maybe, t } from '@/words'
import { duration, moment } from '@/words/format'

export type Alarm = Answer<'/api/v5/alarms'>['data'][number]
export type Which = 'active' | 'past'

export function listAlarms(which: Which, page: number, limit: number, signal?: AbortSignal): Promise<Page<Alarm>> {
  const query = { page, limit, activated: which === 'active' }
  return body(api.GET('/api/v5/alarms', { params: { query }, signal: signal ?? null }))
}

export async function forgetPast(): Promise<void> {
  await api.DELETE('/api/v5/alarms')
}

/** What it is about; for a name without words, that name. */
export function what(alarm: Pick<Alarm, 'name'>): string {
  return maybe(`alarms.${alarm.name}`) ?? alarm.name
}

export function cure(alarm: Pick<Alarm, 'name'>): string {
  return maybe(`alarms.${alarm.name}_cure`) ?? ''
}

export function columns(which: Which): Column<Alarm>[] {
  const all: Column<Alarm>[] = [
    { key: 'what', title: t('alarms.what'), by: what, text: what },
    { key: 'usage', title: t('alarms.usage'), numeric: true, by: (a) => Number.parseInt(a.details.usage, 10), text: (a) => a.details.usage },
    { key: 'marks', title: t('alarms.marks'), text: (a) => t('alarms.between', { high: a.details.high_watermark, low: a.details.low_watermark }) },
    { key: 'from', title: t('alarms.from'), by: (a) => Date.parse(a.activate_at), text: (a) => moment(Date.parse(a.activate_at)) },
    { key: 'to', title: t('alarms.to'), by: (a) => Date.parse(a.deactivate_at) || 0, text: (a) => (a.deactivate_at === 'infinity' ? '' : moment(Date.parse(a.deactivate_at))) },
    { key: 'lasted', title: t('alarms.lasted'), by: (a) => a.duration, text: (a) => duration(a.duration / 1000) },
    { key: 'cure', title: t('alarms.cure'), long: true, text: cure },
  ]
  return all.filter((column) => column.key !== (which === 'active' ? 'to' : 'cure'))
}
