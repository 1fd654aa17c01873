// A directory (LDAP) that knows users, as it is typed.
import { t } from '@/words'

import type { Authenticator } from './authenticator'

type Setup = Pick<Authenticator, 'server' | 'base_dn' | 'filter' | 'username' | 'password' | 'method' | 'ssl' | 'connect_timeout' | 'request_timeout' | 'pool_size' | 'cache_ttl'>

export interface DirectoryDraft {
  server: string
  base: string
  filter: string
  /** Who searches; nobody in particular if it is empty. */
  username: string
  password: string
  /** Who compares a password: the directory, or the broker with a hash. */
  way: 'bind' | 'hash'
  hashAttribute: string
  superuserAttribute: string
  tls: 'none' | 'at_once' | 'start_tls'
  /** A file with whom to trust. */
  ca: string
}

/** What the API shows, and takes, in the place of a secret that stays. */
const MASK = '******'

export const BASE_EXAMPLE = 'ou=devices,dc=example,dc=com'
export const FILTER_EXAMPLE = '(uid=${username})'
export const ACCOUNT_EXAMPLE = 'cn=ternmq,dc=example,dc=com'

export function directoryDraftOf(setup: Setup | null): DirectoryDraft {
  const method = typeof setup?.method === 'object' ? setup.method : null
  const secure = setup?.ssl?.start_tls ? 'start_tls' : 'at_once'
  return {
    server: setup?.server ?? '',
    base: setup?.base_dn ?? '',
    filter: setup?.filter ?? FILTER_EXAMPLE,
    username: setup?.username ?? '',
    password: '',
    way: method?.type ?? 'bind',
    hashAttribute: method?.password_attribute ?? 'userPassword',
    superuserAttribute: method?.is_superuser_attribute ?? 'isSuperuser',
    tls: setup && !setup.ssl?.enable ? 'none' : secure,
    ca: setup?.ssl?.cacertfile ?? '',
  }
}

/** With what the form does not ask for as it was. */
export function directoryOf(draft: DirectoryDraft, before: Setup | null): Partial<Authenticator> {
  const { connect_timeout, request_timeout, pool_size, cache_ttl } = before ?? {}
  const username = draft.username.trim()
  const password = draft.password === '' ? (before?.password ? MASK : '') : draft.password
  const ca = draft.ca.trim()
  return {
    ...(connect_timeout ? { connect_timeout } : {}),
    ...(request_timeout ? { request_timeout } : {}),
    ...(pool_size ? { pool_size } : {}),
    ...(cache_ttl ? { cache_ttl } : {}),
    server: draft.server.trim(),
    base_dn: draft.base.trim(),
    filter: draft.filter.trim(),
    // Who has no name shows no password either.
    ...(username === '' ? {} : { username, password }),
    method: {
      type: draft.way,
      ...(draft.way === 'hash' ? { password_attribute: draft.hashAttribute.trim() } : {}),
      is_superuser_attribute: draft.superuserAttribute.trim(),
    },
    ...(draft.tls === 'none' ? {} : { ssl: { ...before?.ssl, enable: true, start_tls: draft.tls === 'start_tls', cacertfile: ca } }),
  }
}

export type DirectoryField = 'server' | 'base' | 'filter' | 'searcher'
export type DirectoryFaults = Partial<Record<DirectoryField, string | undefined>>

export function directoryFaults(draft: DirectoryDraft, before: Setup | null): DirectoryFaults {
  const named = /\$\{[a-z_]+\}/.test(draft.base + draft.filter)
  const isPassword = draft.password !== '' || Boolean(before?.password)
  return {
    server: draft.server.trim() === '' ? t('remote.serverMissing') : undefined,
    base: draft.base.trim() === '' ? t('directory.baseMissing') : undefined,
    filter: /^\(.+\)$/.test(draft.filter.trim()) ? (named ? undefined : t('directory.nobody', { place: '${username}' })) : t('directory.filterForm', { example: FILTER_EXAMPLE }),
    searcher: draft.username.trim() !== '' && !isPassword ? t('directory.passwordMissing') : undefined,
  }
}
