// Recent losses as the API gives them, and how a list shows them.
import { api, body, type Answer } from '@/api'
import type { Column } from '@/design/table'
import { lang, t } from '@/words'
import { count, exact, moment } from '@/words/format'

export type Losses = Answer<'/api/v5/losses'>
export type Loss = Losses['data'][number]

export interface Search {
  readonly text: string
  readonly by: 'like_topic' | 'clientid'
}

export function listLosses(search: Search, page: number, limit: number, signal?: AbortSignal): Promise<Losses> {
  const query = { page, limit, lang: lang(), ...(search.text === '' ? {} : { [search.by]: search.text }) }
  return body(api.GET('/api/v5/losses', { params: { query }, signal: signal ?? null }))
}

export function columns(): Column<Loss>[] {
  return [
    { key: 'at', title: t('log.at'), by: (l) => l.time_stamp, text: (l) => (isToday(l.time_stamp) ? exact(l.time_stamp) : moment(l.time_stamp)) },
    { key: 'count', title: t('loss.count'), numeric: true, by: (l) => l.count, text: (l) => count(l.count) },
    { key: 'topic', title: t('loss.topic'), by: (l) => l.topic ?? '', text: (l) => l.topic ?? '' },
    { key: 'publisher', title: t('loss.publisher'), by: (l) => l.publisher ?? '', text: (l) => l.publisher ?? '' },
    { key: 'clientid', title: t('loss.client'), by: (l) => l.clientid, text: (l) => l.clientid },
    { key: 'description', long: true, title: t('log.cause'), by: (l) => l.reason, text: (l) => l.description },
    { key: 'remedy', long: true, title: t('log.remedy'), text: (l) => l.remedy },
  ]
}

function isToday(millis: number): boolean {
  return new Date(millis).toDateString() === new Date().toDateString()
}
