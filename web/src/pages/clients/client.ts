// Clients as the API gives them, what is asked of them, and how a list shows them.
import { api, body, type Answer } from '@/api'
import type { Page } from '@/design/list'
import type { Column } from '@/design/table'
import { t } from '@/words'
import { count, moment, size } from '@/words/format'

export type Client = Answer<'/api/v5/clients'>['data'][number]
export type Subscription = Answer<'/api/v5/subscriptions'>['data'][number]

export interface Search {
  readonly text: string
  readonly by: 'like_clientid' | 'like_username' | 'ip_address'
  readonly state: 'all' | 'connected' | 'disconnected'
  /** Whether they have proven who they are. */
  readonly who: 'all' | 'anonymous' | 'proven'
}

export function listClients(search: Search, page: number, limit: number, signal?: AbortSignal): Promise<Page<Client>> {
  const query = {
    page,
    limit,
    ...(search.text === '' ? {} : { [search.by]: search.text }),
    ...(search.state === 'all' ? {} : { conn_state: search.state }),
    ...(search.who === 'all' ? {} : { anonymous: search.who === 'anonymous' }),
  }
  return body(api.GET('/api/v5/clients', { params: { query }, signal: signal ?? null }))
}

/** By the list, whose query can carry every client id; a path cannot carry `.` and `..`. */
export async function findClient(id: string, signal?: AbortSignal): Promise<Client | null> {
  const query = { clientid: [id], limit: 1 }
  const page = await body(api.GET('/api/v5/clients', { params: { query }, signal: signal ?? null }))
  return page.data[0] ?? null
}

export async function subscriptionsOf(id: string, signal?: AbortSignal): Promise<readonly Subscription[]> {
  const query = { clientid: id, limit: 1000 }
  const page = await body(api.GET('/api/v5/subscriptions', { params: { query }, signal: signal ?? null }))
  return page.data
}

export async function kick(ids: readonly string[]): Promise<void> {
  await api.POST('/api/v5/clients/kickout/bulk', { body: [...ids] })
}

export function address(client: Client): string {
  if (client.ip_address === '') return ''
  return client.ip_address.includes(':') ? `[${client.ip_address}]:${client.port}` : `${client.ip_address}:${client.port}`
}

export function protocol(client: Client): string {
  const version = { 3: '3.1', 4: '3.1.1', 5: '5.0' }[client.proto_ver] ?? String(client.proto_ver)
  return `MQTT ${version}`
}

function when(text: string | null | undefined): number {
  return text ? Date.parse(text) : 0
}

function written(text: string | null | undefined): string {
  return text ? moment(Date.parse(text)) : ''
}

/** All columns of the list; a function, because its words follow the language. */
export function columns(): Column<Client>[] {
  return [
    { key: 'clientid', title: t('client.id'), by: (c) => c.clientid, text: (c) => c.clientid },
    { key: 'state', title: t('client.state'), by: (c) => (c.connected ? 0 : 1), text: (c) => t(c.connected ? 'client.online' : 'client.kept') },
    { key: 'username', title: t('client.user'), by: (c) => c.username ?? '', text: (c) => c.username ?? '' },
    { key: 'proven', title: t('client.proven'), extra: true, by: (c) => (c.anonymous ? 1 : 0), text: (c) => t(c.anonymous ? 'client.isAnonymous' : 'client.isProven') },
    { key: 'address', title: t('client.address'), by: address, text: address },
    { key: 'protocol', title: t('client.protocol'), by: protocol, text: protocol },
    { key: 'subscriptions', title: t('client.subscriptions'), numeric: true, by: (c) => c.subscriptions_cnt, text: (c) => count(c.subscriptions_cnt) },
    { key: 'received', title: t('client.received'), numeric: true, by: (c) => c.recv_msg, text: (c) => count(c.recv_msg) },
    { key: 'sent', title: t('client.sent'), numeric: true, by: (c) => c.send_msg, text: (c) => count(c.send_msg) },
    { key: 'dropped', title: t('client.dropped'), numeric: true, by: (c) => c['send_msg.dropped'], text: (c) => count(c['send_msg.dropped']) },
    { key: 'connected', title: t('client.connectedAt'), by: (c) => when(c.connected_at), text: (c) => written(c.connected_at) },
    { key: 'queued', title: t('client.queued'), extra: true, numeric: true, by: (c) => c.mqueue_len, text: (c) => count(c.mqueue_len) },
    { key: 'keepalive', title: t('client.keepAlive'), extra: true, numeric: true, by: (c) => c.keepalive, text: (c) => String(c.keepalive) },
    { key: 'clean', title: t('client.clean'), extra: true, text: (c) => t(c.clean_start ? 'word.yes' : 'word.no') },
    { key: 'listener', title: t('client.listener'), extra: true, by: (c) => c.listener ?? '', text: (c) => c.listener ?? '' },
    { key: 'bytes', title: t('client.bytes'), extra: true, numeric: true, by: (c) => c.recv_oct + c.send_oct, text: (c) => size(c.recv_oct + c.send_oct) },
    { key: 'created', title: t('client.createdAt'), extra: true, by: (c) => when(c.created_at), text: (c) => written(c.created_at) },
  ]
}
