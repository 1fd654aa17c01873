// Listeners as the API gives them, and what is done with them.
import { api, body, type Answer } from '@/api'
import type { Column } from '@/design/table'
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

export async function deleteListener(id: string): Promise<void> {
  await api.DELETE('/api/v5/listeners/{id}', { params: { path: { id } } })
}

export type Turn = 'start' | 'stop' | 'restart'

export async function turnListener(id: string, to: Turn): Promise<void> {
  await api.POST(`/api/v5/listeners/{id}/${to}`, { params: { path: { id } } })
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

export function typeOf(type: string): string {
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
