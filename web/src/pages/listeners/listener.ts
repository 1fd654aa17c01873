// Listeners as the API gives them, and what is checked before one is made or changed.
import { api, body, type Answer } from '@/api'
import type { Column } from '@/design/table'
import { faultOf, items, valueOf, type Form } from '@/pages/settings/form'
import { t } from '@/words'
import { count } from '@/words/format'

export type Listener = Answer<'/api/v5/listeners'>[number]
export type Full = Answer<'/api/v5/listeners/{id}'>
export const TYPES = ['tcp', 'ssl', 'ws', 'wss'] as const
export type Type = (typeof TYPES)[number]

/** Web pages connect to it. */
export const isWeb = (type: Type): boolean => type === 'ws' || type === 'wss'

export const isTls = (type: Type): boolean => type === 'ssl' || type === 'wss'

export function listListeners(signal: AbortSignal): Promise<readonly Listener[]> {
  return body(api.GET('/api/v5/listeners', { signal }))
}

/** One with its settings, and every address that is asked for, as they are typed. */
export async function findListener(id: string): Promise<Draft> {
  const [type, name] = id.split(':') as [Type, string]
  const params = { path: { id } }
  const [full, bind] = await Promise.all([
    body(api.GET('/api/v5/listeners/{id}', { params })),
    body(api.GET('/api/v5/settings/{key}', { params: { path: { key: `listeners.${type}.${name}.bind` } } })),
  ])
  return {
    type,
    name,
    bind: Array.isArray(bind.value) ? bind.value.map(String).join(', ') : String(bind.value),
    max: full.max_connections === 'infinity' ? '' : String(full.max_connections),
    origins: (full.allowed_origins ?? []).join('\n'),
    enable: full.enable,
    cert: full.ssl_options?.certfile ?? '',
    key: full.ssl_options?.keyfile ?? '',
    ca: full.ssl_options?.cacertfile ?? '',
    demand: full.ssl_options?.verify === 'verify_peer' && full.ssl_options.fail_if_no_peer_cert,
    certificate: full.certificate ?? null,
  }
}

const BIND: Form = { kind: 'list', of: 'bind' }
const ORIGIN: Form = { kind: 'list', of: 'origin' }

/** A listener as it is typed. */
export interface Draft {
  type: Type
  name: string
  bind: string
  max: string
  origins: string
  enable: boolean
  /** Paths of files on the broker's machine; empty for none. */
  cert: string
  key: string
  ca: string
  /** Clients have to show a certificate. */
  demand: boolean
  /** The one in use. */
  certificate: Full['certificate'] | null
}

/** A command for where the file of the broker's own authority was saved. */
export function tryCommand(draft: Draft, host: string): string {
  const port = /\d+$/.exec((draft.bind.split(',')[0] ?? '').trim())?.[0] ?? ''
  const trusts = '--cafile ternmq-ca.pem'
  // mosquitto's programs speak no WebSocket.
  if (isWeb(draft.type)) return `ternmq sub -L wss://${host}:${port}/test ${trusts} -v`
  return `mosquitto_sub -h ${host.replace(/^\[|\]$/g, '')} -p ${port} ${trusts} -t test -v`
}

function settingsOf(draft: Draft) {
  return {
    // A list is taken, too, though the document's type is a text.
    bind: valueOf(BIND, draft.bind) as string,
    enable: draft.enable,
    max_connections: draft.max.trim() === '' ? ('infinity' as const) : Number(draft.max),
    ...(isWeb(draft.type) ? { allowed_origins: items(draft.origins) } : {}),
    // The document says that it is an object, and not of what.
    ...(isTls(draft.type) ? { ssl_options: sslOf(draft) as never } : {}),
  }
}

function sslOf(draft: Draft): Record<string, unknown> {
  const path = (text: string) => (text.trim() === '' ? null : text.trim())
  return {
    certfile: path(draft.cert),
    keyfile: path(draft.key),
    cacertfile: path(draft.ca),
    verify: path(draft.ca) === null ? 'verify_none' : 'verify_peer',
    fail_if_no_peer_cert: path(draft.ca) !== null && draft.demand,
  }
}

export async function addListener(draft: Draft): Promise<void> {
  await api.POST('/api/v5/listeners', { body: { type: draft.type, name: draft.name, ...settingsOf(draft) } })
}

export async function changeListener(draft: Draft): Promise<void> {
  const id = `${draft.type}:${draft.name}`
  await api.PUT('/api/v5/listeners/{id}', { params: { path: { id } }, body: settingsOf(draft) })
}

export async function deleteListener(id: string): Promise<void> {
  await api.DELETE('/api/v5/listeners/{id}', { params: { path: { id } } })
}

export type Turn = 'start' | 'stop' | 'restart'

export async function turnListener(id: string, to: Turn): Promise<void> {
  await api.POST(`/api/v5/listeners/{id}/${to}`, { params: { path: { id } } })
}

export type Faults = Partial<Record<'name' | 'bind' | 'max' | 'origins', string | undefined>>

export function faultsOf(draft: Draft): Faults {
  const bind = faultOf(BIND, draft.bind)
  const origins = isWeb(draft.type) ? faultOf(ORIGIN, draft.origins) : { fault: null, part: '' }
  const most = draft.max.trim() === '' ? null : faultOf({ kind: 'whole', none: false, min: '1', max: '100000000' }, draft.max).fault
  const name = draft.name === '' ? t('listeners.nameMissing') : t('listeners.nameForm')
  return {
    name: /^[A-Za-z0-9_-]{1,64}$/.test(draft.name) ? undefined : name,
    bind: bind.fault === null ? undefined : bind.fault === 'empty' ? t('listeners.bindMissing') : t('listeners.bindForm', { part: bind.part }),
    max: most === null ? undefined : t('listeners.maxForm'),
    origins: origins.fault === null ? undefined : t('listeners.originForm', { part: origins.part }),
  }
}

export type State = 'running' | 'stopped' | 'failed'

export function stateOf(listener: Listener): State {
  if (listener.status.running) return 'running'
  return listener.enable ? 'failed' : 'stopped'
}

/** Whether usual clients cannot connect any more once it is gone. */
export function isLast(listener: Listener, all: readonly Listener[]): boolean {
  const others = all.filter((one) => one.id !== listener.id && one.type === 'tcp' && one.status.running)
  return listener.type === 'tcp' && listener.status.running && others.length === 0
}

function typeOf(type: string): string {
  const known = TYPES.find((one) => one === type)
  return known ? t(`listeners.${known}`) : type
}

export function columns(): Column<Listener>[] {
  const most = (l: Listener) => (l.status.max_connections === 'infinity' ? '∞' : count(l.status.max_connections))
  return [
    { key: 'name', title: t('listeners.name'), by: (l) => l.name, text: (l) => l.name },
    { key: 'type', title: t('listeners.type'), by: (l) => l.type, text: (l) => typeOf(l.type) },
    { key: 'address', title: t('listeners.address'), by: (l) => l.bind, long: true, text: (l) => (l.addresses.length > 0 ? l.addresses.join(', ') : l.bind) },
    { key: 'state', title: t('listeners.state'), by: stateOf, text: (l) => t(`listeners.${stateOf(l)}`) },
    { key: 'connections', title: t('listeners.connections'), numeric: true, by: (l) => l.status.current_connections, text: (l) => `${count(l.status.current_connections)} / ${most(l)}` },
  ]
}
