// Entries of the connection log as the API gives them, and how a list shows them.
import { api, body, type Answer } from '@/api'
import type { Page } from '@/design/list'
import type { Column } from '@/design/table'
import type { Denied } from '@/pages/authorization/judge'
import { lang, t } from '@/words'
import { exact, moment } from '@/words/format'

export type Entry = Answer<'/api/v5/connection_log'>['data'][number]

export const EVENTS = ['connected', 'refused', 'disconnected', 'denied'] as const

export interface Search {
  readonly text: string
  readonly by: 'like_clientid' | 'ip_address'
  readonly event: 'all' | 'connected' | 'refused' | 'disconnected' | 'denied'
}

export function listEntries(search: Search, page: number, limit: number, signal?: AbortSignal): Promise<Page<Entry>> {
  const query = {
    page,
    limit,
    lang: lang(),
    ...(search.text === '' ? {} : { [search.by]: search.text }),
    ...(search.event === 'all' ? {} : { event: search.event }),
  }
  return body(api.GET('/api/v5/connection_log', { params: { query }, signal: signal ?? null }))
}

/** Of one client, newest first, as many as its page shows. */
export async function entriesOf(clientid: string, signal: AbortSignal): Promise<readonly Entry[]> {
  const query = { clientid, limit: 50, lang: lang() }
  return (await body(api.GET('/api/v5/connection_log', { params: { query }, signal }))).data
}

export function from(entry: Entry): string {
  return entry.ip_address.includes(':') ? `[${entry.ip_address}]:${entry.port}` : `${entry.ip_address}:${entry.port}`
}

export function columns(): Column<Entry>[] {
  return [
    { key: 'at', plain: true, title: t('log.at'), by: (e) => e.time_stamp, text: (e) => (isToday(e.time_stamp) ? exact(e.time_stamp) : moment(e.time_stamp)) },
    { key: 'event', plain: true, title: t('log.event'), by: (e) => e.event, text: (e) => eventWord(e) },
    { key: 'clientid', plain: true, title: t('client.id'), by: (e) => e.clientid ?? '', text: (e) => e.clientid ?? '' },
    { key: 'address', plain: true, title: t('client.address'), by: from, text: from },
    { key: 'listener', title: t('client.listener'), by: (e) => e.listener, text: (e) => e.listener },
    { key: 'description', long: true, plain: true, title: t('log.cause'), by: (e) => e.cause, text: (e) => [told(e), e.topic, e.rule].filter(Boolean).join(' · ') },
    { key: 'remedy', long: true, title: t('log.remedy'), text: (e) => e.remedy },
    { key: 'shows', title: t('log.shows'), by: (e) => e.client_shows, text: (e) => e.client_shows },
  ]
}

export function eventWord({ event }: Pick<Entry, 'event'>): string {
  const known = EVENTS.find((one) => one === event)
  return known === undefined ? event : t(`log.${known}`)
}

/** What was denied to a client, and by which rule; null for what is no denial, or none that a rule could allow. */
export function deniedOf({ event, cause, topic, rule, username, clientid }: Entry): Denied | null {
  if (event !== 'denied' || cause === 'will_denied' || !topic || !rule) return null
  return { action: cause.startsWith('publish') ? 'publish' : 'subscribe', topic, rule, username: username ?? null, clientid: clientid ?? null }
}

/** The cause, with where, by whom and how often, as far as that is known. */
export function told(entry: Entry): string {
  const more = [entry.detail, entry.by ? t('log.by', { who: entry.by }) : null, entry.times > 1 ? t('log.times', { n: entry.times }) : null]
  const known = more.filter((one) => one !== null && one !== undefined && one !== '')
  return known.length === 0 ? entry.description : `${entry.description} (${known.join('; ')})`
}

function isToday(millis: number): boolean {
  return new Date(millis).toDateString() === new Date().toDateString()
}
