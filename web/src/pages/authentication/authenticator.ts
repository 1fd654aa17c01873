// Authenticators as the API gives them, in the order in which they are asked, and what is done with them.
import { api, body, type Answer } from '@/api'
import type { Column } from '@/design/table'
import { maybe, t } from '@/words'
import { count } from '@/words/format'

import { isRemote, REMOTES } from './remote'

export type Authenticator = Answer<'/api/v5/authentication'>[number]
export type Status = Answer<'/api/v5/authentication/{id}/status'>

export const KINDS = ['built_in', 'scram', 'file', 'jwt', ...REMOTES, 'ldap'] as const
export type Kind = (typeof KINDS)[number]

/** Under which the API knows each kind; there is one authenticator of a kind. */
const IDS: Readonly<Record<Kind, string>> = {
  built_in: 'password_based:built_in_database',
  scram: 'scram:built_in_database',
  file: 'password_based:file',
  jwt: 'jwt',
  http: 'password_based:http',
  redis: 'password_based:redis',
  postgresql: 'password_based:postgresql',
  mysql: 'password_based:mysql',
  ldap: 'password_based:ldap',
}
export const BUILT_IN = IDS.built_in
export const SCRAM = IDS.scram
/** Those that keep users of their own. */
const KEEPERS: readonly string[] = [BUILT_IN, SCRAM]

export function idOf(one: Authenticator): string {
  return one.backend ? `${one.mechanism}:${one.backend}` : one.mechanism
}

/** `null` is one that this page knows nothing of. */
export function kindOf(one: Authenticator): Kind | null {
  const id = idOf(one)
  return KINDS.find((kind) => IDS[kind] === id) ?? null
}

export function nameOf(one: Authenticator): string {
  return nameOfId(idOf(one))
}

export function nameOfId(id: string): string {
  const kind = KINDS.find((one) => IDS[one] === id)
  return kind === undefined ? id : t(`authn.${kind}`)
}

/** What a kind does, in a sentence. */
export function whatOf(kind: Kind): string {
  return t(isRemote(kind) ? `remote.${kind}What` : `authn.${kind}What`)
}

export function isOn(one: Authenticator): boolean {
  return one.enable
}

export function listAuthenticators(signal?: AbortSignal): Promise<readonly Authenticator[]> {
  return body(api.GET('/api/v5/authentication', { signal: signal ?? null }))
}

/** One of the chain: its place, from 1, and how it is doing. */
export interface Link {
  readonly number: number
  readonly one: Authenticator
  readonly status: Status
}

export async function loadChain(signal: AbortSignal): Promise<readonly Link[]> {
  const all = await listAuthenticators(signal)
  const asked = all.map((one) => body(api.GET('/api/v5/authentication/{id}/status', { params: { path: { id: idOf(one) } }, signal })))
  const statuses = await Promise.all(asked)
  return all.flatMap((one, at) => {
    const status = statuses[at]
    return status === undefined ? [] : [{ number: at + 1, one, status }]
  })
}

/**
 * Adds one behind the others. That clients without a user name are refused from then on is asked and done
 * apart from this: not before somebody can come in with a password.
 */
export async function addAuthenticator(setup: Authenticator): Promise<void> {
  await api.POST('/api/v5/authentication', { params: { query: { anonymous: 'keep' } }, body: setup })
}

export async function changeAuthenticator(setup: Authenticator): Promise<void> {
  await api.PUT('/api/v5/authentication/{id}', { params: { path: { id: idOf(setup) } }, body: setup })
}

export async function turn(one: Authenticator, enable: boolean): Promise<void> {
  await changeAuthenticator({ ...one, enable })
}

export async function deleteAuthenticator(one: Authenticator): Promise<void> {
  await api.DELETE('/api/v5/authentication/{id}', { params: { path: { id: idOf(one) } } })
}

/** Up by -1, down by 1. */
export async function move(one: Authenticator, by: -1 | 1, all: readonly Authenticator[]): Promise<void> {
  const at = all.findIndex((other) => idOf(other) === idOf(one))
  const beside = all[at + by]
  if (at < 0 || beside === undefined) return
  const position = `${by < 0 ? 'before' : 'after'}:${idOf(beside)}`
  await api.PUT('/api/v5/authentication/{id}/position/{position}', { params: { path: { id: idOf(one), position } } })
}

/** As what a client that does not send its password says how it proves to know it. */
export function methodOf(one: Authenticator): string {
  return one.algorithm === 'sha512' ? 'SCRAM-SHA-512' : 'SCRAM-SHA-256'
}

export function keepsUsers(one: Authenticator): boolean {
  return KEEPERS.includes(idOf(one))
}

/** How many users go with one that keeps some. */
export async function countUsers(one: Authenticator, signal?: AbortSignal): Promise<number> {
  const params = { path: { id: idOf(one) }, query: { limit: 1 } }
  const page = await body(api.GET('/api/v5/authentication/{id}/users', { params, signal: signal ?? null }))
  return page.meta.count ?? 0
}

/** Whether somebody can come in who proves to be a user. */
export async function isGuarded(signal?: AbortSignal): Promise<boolean> {
  const on = (await listAuthenticators(signal)).filter(isOn)
  if (!on.every(keepsUsers)) return true
  const counts = await Promise.all(on.map((one) => countUsers(one, signal)))
  return counts.some((n) => n > 0)
}

export type State = 'on' | 'off' | 'failing' | 'unasked'

/** Whether one elsewhere answers is not known before the first question. */
export function stateOf({ one, status }: Link): State {
  if (!isOn(one)) return 'off'
  if (status.status !== 'connected') return 'failing'
  const kind = kindOf(one)
  const isElsewhere = kind !== null && (isRemote(kind) || kind === 'ldap')
  return isElsewhere && status.metrics.total === 0 ? 'unasked' : 'on'
}

/** What is wrong with it, as the broker says. */
export function troubleOf({ status }: Link): string {
  return status.node_error.map(({ error }) => error).join('; ')
}

/** Whether nobody checks passwords any more once it is gone. */
export function isLast(link: Link, all: readonly Link[]): boolean {
  return isOn(link.one) && all.every((other) => other.one === link.one || !isOn(other.one))
}

/** What is set of it, in a few words. */
export function detailsOf(one: Authenticator): string {
  const hash = one.password_hash_algorithm?.name
  switch (kindOf(one)) {
    case 'built_in':
      return [t(one.user_id_type === 'clientid' ? 'authn.byClientid' : 'authn.byUsername'), ...(hash ? [t('authn.byHash', { hash: hashName(hash) })] : [])].join(' · ')
    case 'scram':
      return [methodOf(one), t('authn.byRounds', { n: one.iteration_count ?? 0 })].join(' · ')
    case 'file':
      return one.path ?? ''
    case 'jwt':
      if (one.use_jwks) return one.endpoint ?? ''
      return t(one.algorithm === 'public-key' ? 'authn.publicKeys' : 'authn.secretKeys')
    default:
      return one.url ?? one.server ?? ''
  }
}

export function hashName(name: string): string {
  return maybe(`authn.${name}`) ?? name
}

export function columns(): Column<Link>[] {
  return [
    { key: 'number', title: t('authn.number'), numeric: true, text: (l) => String(l.number) },
    { key: 'kind', title: t('authn.kind'), text: (l) => nameOf(l.one) },
    { key: 'details', title: t('authn.details'), long: true, text: (l) => detailsOf(l.one) },
    { key: 'state', title: t('authn.state'), long: true, text: (l) => [t(`authn.${stateOf(l)}`), troubleOf(l)].filter(Boolean).join(': ') },
    { key: 'allowed', title: t('authn.allowed'), numeric: true, text: (l) => count(l.status.metrics.success) },
    { key: 'refused', title: t('authn.refused'), numeric: true, text: (l) => count(l.status.metrics.failed) },
  ]
}
