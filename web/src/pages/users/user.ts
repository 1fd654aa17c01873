// Those who sign in to the dashboard.
import { api, body, type Answer } from '@/api'
import type { Column } from '@/design/table'
import { t } from '@/words'

export type User = Answer<'/api/v5/users'>[number]
export type Role = User['role']
export const ROLES: readonly Role[] = ['administrator', 'viewer']

export function listUsers(signal: AbortSignal): Promise<readonly User[]> {
  return body(api.GET('/api/v5/users', { signal }))
}

export interface NewUser {
  readonly username: string
  readonly password: string
  readonly role: Role
  readonly description: string
}

export async function addUser(user: NewUser): Promise<void> {
  await api.POST('/api/v5/users', { body: user })
}

export async function changeUser(username: string, role: Role, description: string): Promise<void> {
  await api.PUT('/api/v5/users/{username}', { params: { path: { username } }, body: { role, description } })
}

export async function deleteUser(username: string): Promise<void> {
  await api.DELETE('/api/v5/users/{username}', { params: { path: { username } } })
}

export async function changePassword(username: string, old_pwd: string, new_pwd: string): Promise<void> {
  await api.POST('/api/v5/users/{username}/change_pwd', { params: { path: { username } }, body: { old_pwd, new_pwd } })
}

/** Why nobody can be added under a name. `taken` are those that there are. */
export function nameFault(name: string, taken: readonly string[]): 'nameMissing' | 'nameForm' | 'nameTaken' | null {
  if (name === '') return 'nameMissing'
  if (!/^[A-Za-z0-9_]{1,64}$/.test(name)) return 'nameForm'
  return taken.includes(name) ? 'nameTaken' : null
}

export function columns(): Column<User>[] {
  return [
    { key: 'name', title: t('users.name'), by: (u) => u.username, text: (u) => u.username },
    { key: 'role', title: t('users.role'), by: (u) => u.role, text: (u) => t(`users.${u.role}`) },
    { key: 'note', title: t('users.note'), by: (u) => u.description, long: true, text: (u) => u.description },
  ]
}
