// What the palette finds: pages and actions that are always there, and settings, topics and clients that
// the broker is asked for.
import type { Router } from 'vue-router'

import { api, body } from '@/api'
import type { IconName } from '@/design/icons'
import { topicFault } from '@/mqtt/filter'
import { listSettings } from '@/pages/settings/setting'
import { lang, speak, t, type Key } from '@/words'

import { MENU } from '../router'
import { mayChange } from '../session'
import { theme, toggleTheme } from '../theme'

export type Kind = 'page' | 'action' | 'client' | 'topic' | 'setting'

export interface Target {
  readonly kind: Kind
  readonly title: string
  readonly hint: string
  readonly icon: IconName
  /** Of its words, if it is not the page's. */
  readonly lang?: string
  go(router: Router): unknown
}

/** In which order the kinds stand, and how many of each. */
export const KINDS: readonly { readonly kind: Kind; readonly title: Key; readonly most: number }[] = [
  { kind: 'page', title: 'palette.pages', most: 8 },
  { kind: 'client', title: 'palette.clients', most: 6 },
  { kind: 'topic', title: 'palette.topics', most: 6 },
  { kind: 'setting', title: 'palette.settings', most: 8 },
  { kind: 'action', title: 'palette.actions', most: 8 },
]

function page(path: string, title: string, hint: string, icon: IconName): Target {
  return { kind: 'page', title, hint, icon, go: (router) => router.push(path) }
}

export function pages(): Target[] {
  return MENU.flatMap((section) => section.entries.map((entry) => page(entry.path, t(entry.title), `${t(section.title)} ${entry.path}`, section.icon)))
}

/** Changes that begin with a form, and where that opens. */
const FORMS: readonly (readonly [title: Key, path: string, form?: string])[] = [
  ['mqttUsers.add', '/mqtt-users'],
  ['bans.add', '/bans'],
  ['users.add', '/users'],
  ['keys.add', '/api-keys'],
  ['listeners.add', '/listeners'],
  ['traces.add', '/traces'],
  ['backups.make', '/backups', 'make'],
]

export function actions(): Target[] {
  const act = (title: string, icon: IconName, go: Target['go'], hint = ''): Target => ({ kind: 'action', title, hint, icon, go })
  const forms = FORMS.map(([title, path, form]) => act(t(title), 'plus', (router) => router.push({ path, query: { do: form ?? 'add' } })))
  return [
    ...(mayChange.value ? forms : []),
    act(t(theme.value === 'light' ? 'palette.dark' : 'palette.light'), theme.value === 'light' ? 'moon' : 'sun', toggleTheme, 'theme'),
    lang() === 'zh'
      ? { ...act('English', 'refresh', () => speak('en'), 'language 语言'), lang: 'en' }
      : { ...act('中文', 'refresh', () => speak('zh'), 'language 语言'), lang: 'zh-CN' },
  ]
}

export async function settings(signal: AbortSignal): Promise<Target[]> {
  return (await listSettings(signal)).map((setting) => ({
    kind: 'setting',
    title: setting.key,
    hint: setting.doc[lang()],
    icon: 'settings',
    go: (router) => router.push({ path: '/settings', query: { q: setting.key, ...(setting.read_only || !mayChange.value ? {} : { edit: setting.key }) } }),
  }))
}

/** Filters that somebody is subscribed to, as far as one question goes. */
export async function topics(signal: AbortSignal): Promise<Target[]> {
  const { data } = await body(api.GET('/api/v5/topics', { params: { query: { limit: 1000 } }, signal }))
  return data.map(({ topic }) => ({
    kind: 'topic',
    title: topic,
    hint: '',
    icon: 'subscriptions',
    // What is no topic itself has no place in the explorer.
    go: (router) => router.push(topicFault(topic) === null && !/^\$(share|queue)\//.test(topic) ? { path: '/topics', query: { topic } } : { path: '/subscriptions', query: { by: 'topic', q: topic } }),
  }))
}

export async function clients(part: string, signal: AbortSignal): Promise<Target[]> {
  const query = { like_clientid: part, limit: 20 }
  const { data } = await body(api.GET('/api/v5/clients', { params: { query }, signal }))
  return data.map((client) => ({
    kind: 'client',
    title: client.clientid,
    hint: `${client.username ?? ''} ${client.ip_address}`,
    icon: 'clients',
    go: (router) => router.push({ path: '/clients/detail', query: { id: client.clientid } }),
  }))
}
