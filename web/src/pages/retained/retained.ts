// Retained messages as the API gives them, and what is done with them.
import { api, body, type Answer, Failure } from '@/api'
import type { Page } from '@/design/list'
import type { Column } from '@/design/table'
import { topicFault } from '@/mqtt/filter'
import { ofBase64 } from '@/payload/bytes'
import { t } from '@/words'
import { moment } from '@/words/format'

export type Retained = Answer<'/api/v5/mqtt/retainer/messages'>['data'][number]
export type Retainer = Answer<'/api/v5/mqtt/retainer'>

/** `filter` may be a topic; empty for all. */
export function listRetained(filter: string, page: number, limit: number, signal?: AbortSignal): Promise<Page<Retained>> {
  return findRetained({ filter, held: false }, page, limit, signal)
}

export interface Search {
  readonly filter: string
  /** Only those that are sent to nobody. */
  readonly held: boolean
}

export function findRetained({ filter, held }: Search, page: number, limit: number, signal?: AbortSignal): Promise<Page<Retained>> {
  const query = { page, limit, ...(filter === '' ? {} : { topic: filter }), ...(held ? { held_back: true } : {}) }
  return body(api.GET('/api/v5/mqtt/retainer/messages', { params: { query }, signal: signal ?? null }))
}

/** How many are sent to nobody, because their publishers may not publish them any more. */
export async function heldBack(signal?: AbortSignal): Promise<number> {
  return (await body(api.GET('/api/v5/mqtt/retainer/held_back', { signal: signal ?? null }))).count
}

/** Deletes those. */
export async function purgeHeldBack(): Promise<void> {
  await api.DELETE('/api/v5/mqtt/retainer/held_back')
}

export interface Whole {
  readonly message: Retained
  /** `null` if it is too large for the API. */
  readonly payload: Uint8Array | null
}

/** A path cannot be `.` or `..`. */
const NO_PATH = new Set(['.', '..'])

/**
 * `null` if there is none, or none any more. The list is asked first, because a browser tells of an answer
 * that there is none as of an error. What is known already is not fetched again.
 */
export async function retainedOf(topic: string, signal?: AbortSignal, known?: Whole | null): Promise<Whole | null> {
  if (NO_PATH.has(topic) || topicFault(topic) !== null) return null
  const row = (await listRetained(topic, 1, 1, signal)).data[0]
  if (row === undefined) return null
  if (known && known.message.msgid === row.msgid && known.message.publish_at === row.publish_at) return known
  try {
    const message = await body(api.GET('/api/v5/mqtt/retainer/message/{topic}', { params: { path: { topic } }, signal: signal ?? null }))
    return { message, payload: typeof message.payload === 'string' ? ofBase64(message.payload) : null }
  } catch (error) {
    if (error instanceof Failure && error.status === 404) return null
    throw error
  }
}

/** Those of a topic, or of all that a filter names. That there is none is no failure. */
export async function deleteRetained(filter: string): Promise<void> {
  if (NO_PATH.has(filter)) {
    // What MQTT has for it.
    await api.POST('/api/v5/publish', { body: { topic: filter, payload: '', retain: true } })
    return
  }
  try {
    await api.DELETE('/api/v5/mqtt/retainer/message/{topic}', { params: { path: { topic: filter } } })
  } catch (error) {
    if (!(error instanceof Failure && error.status === 404)) throw error
  }
}

export async function deleteAllRetained(): Promise<void> {
  await api.DELETE('/api/v5/mqtt/retainer/messages')
}

const PAGE = 5000

/** The topics of all that a filter names; `told` is called with how many were found so far. */
export async function topicsOf(filter: string, told: (n: number) => void, signal: AbortSignal): Promise<string[]> {
  const topics: string[] = []
  for (let page = 1; ; page += 1) {
    const found = await listRetained(filter, page, PAGE, signal)
    topics.push(...found.data.map((one) => one.topic))
    told(topics.length)
    if (!found.meta.hasnext) return topics
  }
}

export function retainer(signal?: AbortSignal): Promise<Retainer> {
  return body(api.GET('/api/v5/mqtt/retainer', { signal: signal ?? null }))
}

export interface Settings {
  readonly enable: boolean
  /** Such as `1MB`. */
  readonly size: string
  /** 0 for as many as there is room for. */
  readonly count: number
}

export async function changeRetainer(to: Settings): Promise<void> {
  await api.PUT('/api/v5/mqtt/retainer', {
    body: { enable: to.enable, max_payload_size: to.size, backend: { max_retained_messages: to.count } },
  })
}

export function columns(): Column<Retained>[] {
  return [
    { key: 'topic', title: t('retained.topic'), by: (m) => m.topic, text: (m) => m.topic },
    { key: 'qos', title: 'QoS', numeric: true, by: (m) => m.qos, text: (m) => String(m.qos) },
    { key: 'at', title: t('retained.at'), by: (m) => Date.parse(m.publish_at), text: (m) => moment(Date.parse(m.publish_at)) },
    { key: 'from', title: t('retained.from'), by: (m) => m.from_clientid, text: (m) => m.from_clientid },
    { key: 'held', title: t('retained.heldBack'), extra: true, by: (m) => Number(m.held_back), text: (m) => (m.held_back ? t('retained.heldWhy') : '') },
    { key: 'user', title: t('client.user'), extra: true, by: (m) => m.from_username, text: (m) => m.from_username },
  ]
}
