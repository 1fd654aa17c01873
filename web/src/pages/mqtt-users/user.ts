// Users of MQTT clients that the broker keeps itself, and what is done with them.
import { api, body, Failure, type Answer } from '@/api'
import { upload } from '@/api/upload'
import type { Page } from '@/design/list'
import type { Column } from '@/design/table'
import { addAuthenticator, BUILT_IN, idOf, listAuthenticators, SCRAM, type Authenticator } from '@/pages/authentication/authenticator'
import { allowNameless, type Fate } from '@/pages/authentication/nameless'
import { t } from '@/words'

export type User = Answer<'/api/v5/authentication/{id}/users'>['data'][number]

/** Which users: those who send a password, or those who prove by SCRAM that they know it. Both have names of their own. */
export type Of = '' | 'scram'

const idBy = (of: Of) => (of === 'scram' ? SCRAM : BUILT_IN)

export interface Search {
  readonly of: Of
  readonly text: string
  readonly kind: 'all' | 'super' | 'plain'
}

/** A page of users, and the authenticator that has them; without one there are none. */
export interface Users extends Page<User> {
  readonly keeper: Authenticator | null
  /** Whether there are users of the other kind, too. */
  readonly hasScram: boolean
}

export async function findKeeper(signal?: AbortSignal): Promise<Authenticator | null> {
  return (await listAuthenticators(signal)).find((one) => idOf(one) === BUILT_IN) ?? null
}

export async function listUsers(search: Search, page: number, limit: number, signal?: AbortSignal): Promise<Users> {
  const all = await listAuthenticators(signal)
  const [keeper, hasScram] = [all.find((one) => idOf(one) === idBy(search.of)) ?? null, all.some((one) => idOf(one) === SCRAM)]
  if (keeper === null) return { keeper, hasScram, data: [], meta: { count: 0, hasnext: false } }
  const query = {
    page,
    limit,
    ...(search.text === '' ? {} : { like_user_id: search.text }),
    ...(search.kind === 'all' ? {} : { is_superuser: search.kind === 'super' }),
  }
  const found = await body(api.GET('/api/v5/authentication/{id}/users', { params: { path: { id: idBy(search.of) }, query }, signal: signal ?? null }))
  return { ...found, keeper, hasScram }
}

/** Makes the authenticator that keeps users with passwords, if there is none. */
async function haveKeeper(of: Of): Promise<void> {
  if (of === '' && (await findKeeper()) === null) await addAuthenticator({ mechanism: 'password_based', backend: 'built_in_database', enable: true, user_id_type: 'username' })
}

/**
 * Brings users in, and only then shuts out those without a name: whatever fails on the way leaves nobody
 * outside who was in before.
 */
async function bring(of: Of, act: () => Promise<unknown>, nameless: Fate | null): Promise<void> {
  await haveKeeper(of)
  await act()
  if (nameless !== null) await allowNameless(nameless === 'keep')
}

export interface NewUser {
  readonly user_id: string
  readonly password: string
  readonly is_superuser: boolean
}

export function addUser(of: Of, user: NewUser, nameless: Fate | null): Promise<void> {
  return bring(of, () => told(api.POST('/api/v5/authentication/{id}/users', { params: { path: { id: idBy(of) } }, body: user })), nameless)
}

/** What is empty stays as it is. */
export async function changeUser(of: Of, user_id: string, password: string, is_superuser: boolean): Promise<void> {
  const change = { is_superuser, ...(password === '' ? {} : { password }) }
  await told(api.PUT('/api/v5/authentication/{id}/users/{user_id}', { params: { path: { id: idBy(of), user_id } }, body: change }))
}

export async function deleteUsers(of: Of, names: readonly string[]): Promise<void> {
  for (const user_id of names) await api.DELETE('/api/v5/authentication/{id}/users/{user_id}', { params: { path: { id: idBy(of), user_id } } })
}

export type Secrecy = 'plain' | 'hash'

export function importUsers(of: Of, file: File, secrecy: Secrecy, nameless: Fate | null, sent: (share: number) => void, signal: AbortSignal): Promise<void> {
  const path = `/api/v5/authentication/${encodeURIComponent(idBy(of))}/import_users?type=${secrecy}`
  return bring(of, () => told(upload(path, 'filename', file, sent, signal)), nameless)
}

/** Here too many attempts are not somebody's guesses. */
async function told<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    if (error instanceof Failure && error.status === 429) throw new Failure(429, 'HASHING_BUSY', error.message)
    throw error
  }
}

/** Which passwords a file of users has, as far as its beginning tells; null if it has none. */
export function secrecyOf(name: string, text: string): Secrecy | null {
  const start = /\.csv$/i.test(name) ? (text.split(/\r?\n/, 1)[0] ?? '') : text
  const has = (field: string) => new RegExp(`(^|[^a-z_])${field}([^a-z_]|$)`).test(start)
  if (!has('user_id')) return null
  if (has('password_hash')) return 'hash'
  return has('password') ? 'plain' : null
}

const BYTES_MAX = 65_535

/** Why nobody can be added under a name. */
export function nameFault(name: string): 'nameMissing' | 'nameForm' | null {
  if (name === '') return 'nameMissing'
  // No address of the API can carry the two.
  return name === '.' || name === '..' || name.includes('\0') || new TextEncoder().encode(name).length > BYTES_MAX ? 'nameForm' : null
}

export function isById(keeper: Authenticator | null): boolean {
  return keeper?.user_id_type === 'clientid'
}

export function columns(keeper: Authenticator | null): Column<User>[] {
  return [
    { key: 'name', title: t(isById(keeper) ? 'mqttUsers.byId' : 'mqttUsers.name'), by: (u) => u.user_id, text: (u) => u.user_id },
    { key: 'super', title: t('mqttUsers.superuser'), by: (u) => (u.is_superuser ? 0 : 1), text: (u) => t(u.is_superuser ? 'word.yes' : 'word.no') },
  ]
}
