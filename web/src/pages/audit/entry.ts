// Entries of the audit log as the API gives them, in words, and what is asked for.
import { api, body, Failure, tell, type Answer } from '@/api'
import type { Page } from '@/design/list'
import type { Column } from '@/design/table'
import { maybe, t } from '@/words'
import { count, moment } from '@/words/format'

type Given = Answer<'/api/v5/audit'>['data'][number]

export interface Request {
  readonly path?: string
  readonly body?: unknown
}

export type Entry = Omit<Given, 'http_request'> & { readonly http_request: Request }

export interface Search {
  readonly text: string
  readonly by: 'source' | 'source_ip'
  readonly from: 'all' | 'dashboard' | 'rest_api' | 'cli' | 'event'
  readonly result: 'all' | 'success' | 'failure'
  /** The first part of the path. */
  readonly kind: string
  /** Only the last so many seconds; 0 for all. */
  readonly secs: number
}

/** The first parts of paths under which something can be changed, and what stands there. */
export const KINDS = [
  { id: 'clients', title: 'page.clients' },
  { id: 'authentication', title: 'authn.title' },
  { id: 'authorization', title: 'authz.title' },
  { id: 'banned', title: 'bans.title' },
  { id: 'users', title: 'users.title' },
  { id: 'api_key', title: 'keys.title' },
  { id: 'settings', title: 'settings.title' },
  { id: 'listeners', title: 'listeners.title' },
  { id: 'mqtt', title: 'audit.mqtt' },
  { id: 'publish', title: 'audit.messages' },
  { id: 'trace', title: 'traces.title' },
  { id: 'data', title: 'backups.title' },
  { id: 'login', title: 'did.post_login' },
] as const

export async function listEntries(search: Search, page: number, limit: number, signal?: AbortSignal): Promise<Page<Entry>> {
  const query = {
    page,
    limit,
    ...(search.text === '' ? {} : { [search.by]: search.text }),
    ...(search.from === 'all' ? {} : { from: search.from }),
    ...(search.result === 'all' ? {} : { operation_result: search.result }),
    ...(search.kind === 'all' ? {} : { operation_type: search.kind }),
    ...(search.secs === 0 ? {} : { gte_created_at: String(Date.now() - search.secs * 1000) }),
  }
  return (await body(api.GET('/api/v5/audit', { params: { query }, signal: signal ?? null }))) as Page<Entry>
}

/** What was done; for what has no words, method and path. */
export function what(entry: Pick<Entry, 'http_method' | 'operation_id'>): string {
  const method = entry.http_method.toLowerCase()
  const key = `did.${method}${entry.operation_id.toLowerCase().replace(/[^a-z]+/g, '_').replace(/_$/, '')}`
  return maybe(key) ?? `${method.toUpperCase()} ${entry.operation_id}`
}

/** What stands in the place of a path where rights were changed and subscriptions ended by that. */
const REVOKED = '/authorization/revoked'

/** Code of the answer, where there was a call. */
export const status = (entry: Pick<Entry, 'http_method' | 'http_status_code'>): string => (entry.http_method === '' ? '' : String(entry.http_status_code))

/** Fields of a body that say whom or what it was about. */
const NAMING = ['who', 'username', 'user_id', 'name', 'id', 'filename', 'topic']

/** Whom it was done to: what the path names, else what the body does. */
export function target(entry: Pick<Entry, 'operation_id' | 'http_request'>): string {
  const path = (entry.http_request.path ?? '').replace(/\?.*$/, '').split('/')
  const template = entry.operation_id.split('/')
  const parts = path.slice(Math.max(0, path.length - template.length))
  const named = template.flatMap((part, at) => (part.startsWith('{') && parts[at] ? [decoded(parts[at])] : []))
  if (named.length > 0) return named.join(' ')
  const sent = entry.http_request.body
  if (Array.isArray(sent)) return sent.filter((one) => typeof one === 'string').join(', ')
  if (typeof sent !== 'object' || sent === null) return ''
  const fields = new Map<string, unknown>(Object.entries(sent))
  const first = fields.get('first')
  if (entry.operation_id === REVOKED && Array.isArray(first)) {
    const names = first.map((one: { clientid?: unknown; topic?: unknown }) => `${String(one.clientid)} ${String(one.topic)}`)
    const all = Number(fields.get('subscriptions'))
    return t('audit.revoked', { n: count(all), first: (all > names.length ? [...names, '…'] : names).join(', ') })
  }
  const topics = fields.get('topics')
  if (entry.operation_id.startsWith('/publish') && Array.isArray(topics)) {
    const names = topics.map((one: { topic?: unknown }) => String(one.topic))
    return (Number(fields.get('other_messages')) > 0 ? [...names, '…'] : names).join(', ')
  }
  const field = NAMING.map((name) => fields.get(name)).find((value) => typeof value === 'string')
  return typeof field === 'string' ? field : entry.operation_id === '/settings' ? [...fields.keys()].join(', ') : ''
}

/** Why it was refused, in words; a code that is not known is told as it is. */
export function failed(entry: Pick<Entry, 'failure' | 'http_status_code'>): string {
  const [code = '', ...rest] = entry.failure.split(': ')
  const { cause, detail } = tell(new Failure(entry.http_status_code, code, rest.join(': ')))
  return [cause, detail].filter(Boolean).join(' ')
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export function columns(): Column<Entry>[] {
  return [
    { key: 'at', title: t('audit.at'), text: (e) => moment(e.created_at / 1000) },
    { key: 'who', title: t('audit.who'), text: (e) => e.source },
    { key: 'channel', title: t('audit.channel'), text: (e) => maybe(`audit.${e.from}`) ?? e.from },
    { key: 'address', title: t('audit.address'), text: (e) => e.source_ip },
    { key: 'what', title: t('audit.what'), text: what },
    { key: 'target', title: t('audit.target'), long: true, text: target },
    { key: 'result', title: t('audit.result'), text: (e) => `${t(e.operation_result === 'success' ? 'audit.success' : 'audit.failure')} ${status(e)}`.trim() },
    { key: 'why', title: t('audit.why'), extra: true, long: true, text: (e) => (e.failure === '' ? '' : failed(e)) },
    { key: 'took', title: t('audit.took'), extra: true, numeric: true, text: (e) => `${e.duration_ms} ms` },
  ]
}
