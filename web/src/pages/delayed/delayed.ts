// Messages that wait for their time, as the API gives them.
import { api, body, Failure, type Answer } from '@/api'
import type { Page } from '@/design/list'
import type { Column } from '@/design/table'
import { ofBase64 } from '@/payload/bytes'
import { t } from '@/words'
import { duration, moment } from '@/words/format'

export type Delayed = Answer<'/api/v5/mqtt/delayed/messages'>['data'][number]
export type Settings = Answer<'/api/v5/mqtt/delayed'>

/** The API does not search; these are looked through here. */
const SEARCHED_MAX = 10_000

export async function listDelayed(text: string, page: number, limit: number, signal?: AbortSignal): Promise<Page<Delayed>> {
  const query = text === '' ? { page, limit } : { page: 1, limit: SEARCHED_MAX }
  const found = await body(api.GET('/api/v5/mqtt/delayed/messages', { params: { query }, signal: signal ?? null }))
  if (text === '') return found
  const fits = found.data.filter((message) => [message.topic, message.from_clientid].some((one) => one.includes(text)))
  return { data: fits.slice((page - 1) * limit, page * limit), meta: { count: fits.length, hasnext: fits.length > page * limit } }
}

export interface Whole {
  readonly message: Delayed
  /** `null` if it is too large for the API. */
  readonly payload: Uint8Array | null
}

const path = ({ node, msgid }: Pick<Delayed, 'node' | 'msgid'>) => ({ params: { path: { node, msgid } } })

export async function delayedOf(message: Delayed, signal: AbortSignal): Promise<Whole> {
  const found = await body(api.GET('/api/v5/mqtt/delayed/messages/{node}/{msgid}', { ...path(message), signal }))
  return { message: found, payload: found.payload === 'PAYLOAD_TOO_LARGE' ? null : ofBase64(found.payload) }
}

/** That one was published meanwhile is no failure of the others. */
export async function cancel(messages: readonly Delayed[]): Promise<void> {
  for (const message of messages) {
    try {
      await api.DELETE('/api/v5/mqtt/delayed/messages/{node}/{msgid}', path(message))
    } catch (error) {
      if (messages.length === 1 || !(error instanceof Failure && error.status === 404)) throw error
    }
  }
}

export function settings(signal: AbortSignal): Promise<Settings> {
  return body(api.GET('/api/v5/mqtt/delayed', { signal }))
}

export async function change(to: Settings): Promise<void> {
  await api.PUT('/api/v5/mqtt/delayed', { body: to })
}

export function columns(): Column<Delayed>[] {
  return [
    { key: 'topic', title: t('retained.topic'), by: (m) => m.topic, text: (m) => m.topic },
    { key: 'due', title: t('delayed.due'), by: (m) => Date.parse(m.expected_at), text: (m) => moment(Date.parse(m.expected_at)) },
    { key: 'left', title: t('delayed.left'), numeric: true, by: (m) => m.delayed_remaining, text: (m) => duration(m.delayed_remaining) },
    { key: 'interval', title: t('delayed.interval'), numeric: true, by: (m) => m.delayed_interval, text: (m) => duration(m.delayed_interval) },
    { key: 'qos', title: 'QoS', numeric: true, by: (m) => m.qos, text: (m) => String(m.qos) },
    { key: 'from', title: t('retained.from'), by: (m) => m.from_clientid, text: (m) => m.from_clientid },
    { key: 'at', title: t('retained.at'), extra: true, by: (m) => Date.parse(m.publish_at), text: (m) => moment(Date.parse(m.publish_at)) },
    { key: 'user', title: t('client.user'), extra: true, by: (m) => m.from_username, text: (m) => m.from_username },
  ]
}
