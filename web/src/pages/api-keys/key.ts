// Keys with which programs call the API.
import { api, body, type Answer } from '@/api'
import type { Column } from '@/design/table'
import { t } from '@/words'
import { moment } from '@/words/format'

export type ApiKey = Answer<'/api/v5/api_key'>[number]
export type Role = ApiKey['role']
export const ROLES: readonly Role[] = ['administrator', 'viewer', 'wall']

export function listKeys(signal: AbortSignal): Promise<readonly ApiKey[]> {
  return body(api.GET('/api/v5/api_key', { signal }))
}

export interface KeyOrder {
  readonly name: string
  readonly role: Role
  readonly desc: string
  /** A time, or `infinity`. */
  readonly expired_at: string
}

/** The answer alone has the secret. */
export function makeKey(order: KeyOrder): Promise<ApiKey> {
  return body(api.POST('/api/v5/api_key', { body: { ...order, enable: true } }))
}

export async function changeKey(name: string, to: Partial<Omit<KeyOrder, 'name'>> & { enable?: boolean }): Promise<void> {
  await api.PUT('/api/v5/api_key/{name}', { params: { path: { name } }, body: to })
}

export async function deleteKey(name: string): Promise<void> {
  await api.DELETE('/api/v5/api_key/{name}', { params: { path: { name } } })
}

/** Why no key can be made under a name. `taken` are those that there are. */
export function nameFault(name: string, taken: readonly string[]): 'nameMissing' | 'nameForm' | 'nameTaken' | null {
  if (name === '') return 'nameMissing'
  if (name.length > 255 || !/^[A-Za-z]+[A-Za-z0-9-_]*$/.test(name)) return 'nameForm'
  return taken.includes(name) ? 'nameTaken' : null
}

export type State = 'on' | 'off' | 'expired'

export function stateOf(key: Pick<ApiKey, 'enable' | 'expired'>): State {
  if (key.expired) return 'expired'
  return key.enable ? 'on' : 'off'
}

export function columns(): Column<ApiKey>[] {
  const end = (key: ApiKey) => (key.expired_at === 'infinity' ? Number.MAX_SAFE_INTEGER : Date.parse(key.expired_at))
  return [
    { key: 'name', title: t('keys.name'), by: (k) => k.name, text: (k) => k.name },
    { key: 'key', title: t('keys.key'), text: (k) => k.api_key },
    { key: 'role', title: t('users.role'), by: (k) => k.role, text: (k) => t(`users.${k.role}`) },
    { key: 'state', title: t('keys.state'), by: stateOf, text: (k) => t(`keys.${stateOf(k)}`) },
    { key: 'expires', title: t('keys.expires'), by: end, text: (k) => (k.expired_at === 'infinity' ? t('until.ever') : moment(Date.parse(k.expired_at))) },
    { key: 'created', title: t('keys.created'), by: (k) => Date.parse(k.created_at), text: (k) => moment(Date.parse(k.created_at)) },
    { key: 'note', title: t('users.note'), by: (k) => k.desc, long: true, text: (k) => k.desc },
  ]
}
