// Settings as the API gives them, their groups, and where their values come from.
import { api, body, type Answer } from '@/api'
import type { Column } from '@/design/table'
import { lang, t } from '@/words'

export type Setting = Answer<'/api/v5/settings'>[number]

export const GROUPS = ['node', 'listeners', 'dashboard', 'connections', 'messages', 'sessions', 'queues', 'other'] as const
export type Group = (typeof GROUPS)[number]

/** Keys of the section `mqtt` that are not told by how they begin. */
const OF_MQTT: readonly (readonly [RegExp, Group])[] = [
  [/^(max_queue|queue_full|max_out_buffer|slow_grace)/, 'queues'],
  [/^(max_sessions|.*session_expiry|.*subscriptions|shared_|max_inflight|.*await)/, 'sessions'],
  [/^(.*(payload|retain|topic|qos|user_prop|delayed)|sys_)/, 'messages'],
  [/^(allow_|.*(packet|connect|clientid|keepalive|pending|incomplete)|response_)/, 'connections'],
]

export function groupOf(key: string): Group {
  const [section = '', name = ''] = [key.split('.')[0], key.slice(key.indexOf('.') + 1)]
  if (section === 'listeners') return 'listeners'
  if (section === 'dashboard' || section === 'lan_guard') return 'dashboard'
  if (section === 'flapping_detect') return 'connections'
  if (section === 'mqtt') return OF_MQTT.find(([form]) => form.test(name))?.[1] ?? 'other'
  return ['log', 'store', 'profile', 'accepted_risks', 'data_dir', 'max_memory', 'shards', 'durability'].includes(section) ? 'node' : 'other'
}

export function listSettings(signal: AbortSignal): Promise<readonly Setting[]> {
  return body(api.GET('/api/v5/settings', { signal }))
}

export async function changeSetting(key: string, value: unknown): Promise<void> {
  await api.PUT('/api/v5/settings/{key}', { params: { path: { key } }, body: { value } })
}

/** Takes back what was changed here. */
export async function resetSetting(key: string): Promise<void> {
  await api.DELETE('/api/v5/settings/{key}', { params: { path: { key } } })
}

/** A value as it is read. */
export function written(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? t('settings.nothing') : value.map(String).join(', ')
  if (value === 'none') return t('settings.none')
  if (typeof value === 'boolean') return t(value ? 'settings.on' : 'settings.off')
  return String(value)
}

export function originOf(setting: Setting): string {
  const { origin } = setting
  if (origin.from === 'file') return t('settings.file', { line: origin.line })
  if (origin.from === 'environment') return t('settings.environment', { name: origin.name })
  return t(`settings.${origin.from}`)
}

/** What needs a warning before it is changed. */
export function warningOf(key: string): 'warnListener' | 'warnDashboard' | 'warnAnonymous' | null {
  if (/^listeners\..*\.(bind|enabled)$/.test(key)) return 'warnListener'
  if (/^dashboard\.(bind|enabled)$/.test(key)) return 'warnDashboard'
  return key === 'mqtt.allow_anonymous' ? 'warnAnonymous' : null
}

export type Show = 'all' | 'changed' | 'pending' | 'locked'

export function fits(setting: Setting, text: string, group: string, show: string): boolean {
  if (group !== 'all' && groupOf(setting.key) !== group) return false
  if (show === 'changed' && setting.origin.from === 'default') return false
  if (show === 'pending' && !setting.pending) return false
  if (show === 'locked' && !setting.read_only) return false
  const words = `${setting.key} ${setting.doc.zh} ${setting.doc.en} ${written(setting.value)}`.toLowerCase()
  return text.toLowerCase().split(/\s+/).every((word) => words.includes(word))
}

export function columns(): Column<Setting>[] {
  return [
    { key: 'key', title: t('settings.setting'), by: (s) => s.key, long: true, text: (s) => `${s.key}: ${s.doc[lang()]}` },
    { key: 'value', title: t('settings.value'), long: true, text: (s) => written(s.value) },
    { key: 'default', title: t('settings.default'), long: true, text: (s) => written(s.default) },
    { key: 'origin', title: t('settings.origin'), by: originOf, long: true, text: originOf },
    { key: 'applies', title: t('settings.applies'), by: (s) => s.applies, text: (s) => t(s.applies === 'now' ? 'settings.now' : 'settings.restart') },
  ]
}
