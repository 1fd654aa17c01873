// Services and databases elsewhere that know users or rules, as they are typed.
import { t, type Key } from '@/words'

import type { Authenticator } from './authenticator'

export const REMOTES = ['http', 'redis', 'postgresql', 'mysql'] as const
export type RemoteKind = (typeof REMOTES)[number]
/** What is asked of them. */
export type Asked = 'users' | 'rules'

type Setup = Partial<Pick<Authenticator, 'url' | 'method' | 'headers' | 'body' | 'server' | 'database' | 'username' | 'password' | 'cmd' | 'query' | 'redis_type' | 'ssl' | 'connect_timeout' | 'request_timeout' | 'pool_size' | 'cache_ttl'>>

export interface RemoteDraft {
  method: 'get' | 'post'
  url: string
  /** A name and a value on each line. */
  headers: string
  body: string
  server: string
  database: string
  username: string
  password: string
  /** A command of Redis, or SQL. */
  question: string
  tls: boolean
  /** A file with whom to trust. */
  ca: string
}

/** What the API shows, and takes, in the place of a secret that stays. */
const MASK = '******'

const BODY: Readonly<Record<Asked, string>> = {
  users: 'username = ${username}\npassword = ${password}\nclientid = ${clientid}',
  rules: 'username = ${username}\nclientid = ${clientid}\naction = ${action}\ntopic = ${topic}',
}
const CMD: Readonly<Record<Asked, string>> = {
  users: 'HMGET mqtt_user:${username} password_hash salt is_superuser',
  rules: 'HGETALL mqtt_acl:${username}',
}
const SQL: Readonly<Record<Asked, string>> = {
  users: 'SELECT password_hash, salt, is_superuser FROM mqtt_user WHERE username = ${username} LIMIT 1',
  rules: 'SELECT permission, action, topic FROM mqtt_acl WHERE username = ${username}',
}

export function isRemote(kind: string): kind is RemoteKind {
  return REMOTES.some((one) => one === kind)
}

export function exampleOf(kind: RemoteKind, asked: Asked): string {
  return kind === 'redis' ? CMD[asked] : SQL[asked]
}

export function remoteDraftOf(setup: Setup | null, kind: RemoteKind, asked: Asked): RemoteDraft {
  return {
    method: setup?.method === 'get' ? 'get' : 'post',
    url: setup?.url ?? '',
    headers: setup ? lines(setup.headers, ': ') : 'content-type: application/json',
    body: setup ? lines(setup.body, ' = ') : BODY[asked],
    server: setup?.server ?? '',
    database: setup?.database ?? '',
    username: setup?.username ?? '',
    password: '',
    question: setup?.cmd ?? setup?.query ?? exampleOf(kind, asked),
    tls: setup?.ssl?.enable ?? false,
    ca: setup?.ssl?.cacertfile ?? '',
  }
}

function lines(values: unknown, between: string): string {
  if (typeof values !== 'object' || values === null) return ''
  return Object.entries(values)
    .map(([name, value]) => `${name}${between}${String(value)}`)
    .join('\n')
}

export interface Pairs {
  readonly found: Readonly<Record<string, string>>
  /** The first line that is none. */
  readonly wrong: string | null
}

export function pairsOf(text: string, between: ':' | '='): Pairs {
  const found: Record<string, string> = {}
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '') continue
    const at = line.indexOf(between)
    const [name, value] = [line.slice(0, at).trim(), line.slice(at + 1).trim()]
    if (at < 1 || name === '' || value === '') return { found, wrong: line }
    found[name] = value
  }
  return { found, wrong: null }
}

/** With what the form does not ask for as it was. */
export function remoteOf(draft: RemoteDraft, kind: RemoteKind, before: Setup | null): Setup {
  const ssl = draft.tls || before?.ssl ? { ssl: { ...before?.ssl, enable: draft.tls, ...(draft.ca.trim() === '' ? {} : { cacertfile: draft.ca.trim() }) } } : {}
  if (kind === 'http') {
    const secure = draft.url.startsWith('https') && draft.ca.trim() !== '' ? { ssl: { ...before?.ssl, enable: true, cacertfile: draft.ca.trim() } } : before?.ssl ? { ssl: before.ssl } : {}
    // The document says of the body that it is an object, and not of what.
    return { ...times(before), ...secure, method: draft.method, url: draft.url.trim(), headers: { ...pairsOf(draft.headers, ':').found }, body: pairsOf(draft.body, '=').found as never }
  }
  const password = draft.password === '' ? (before?.password ? { password: MASK } : {}) : { password: draft.password }
  return {
    ...times(before),
    ...ssl,
    server: draft.server.trim(),
    ...(draft.database.trim() === '' ? {} : { database: draft.database.trim() }),
    ...(draft.username === '' ? {} : { username: draft.username }),
    ...password,
    ...(kind === 'redis' ? { redis_type: 'single' as const, cmd: draft.question.trim() } : { query: draft.question.trim() }),
  }
}

function times(before: Setup | null): Setup {
  const { connect_timeout, request_timeout, pool_size, cache_ttl } = before ?? {}
  return {
    ...(connect_timeout ? { connect_timeout } : {}),
    ...(request_timeout ? { request_timeout } : {}),
    ...(pool_size ? { pool_size } : {}),
    ...(cache_ttl ? { cache_ttl } : {}),
  }
}

export type RemoteField = 'url' | 'headers' | 'body' | 'server' | 'question'
export type RemoteFaults = Partial<Record<RemoteField, string | undefined>>

export function remoteFaults(draft: RemoteDraft, kind: RemoteKind): RemoteFaults {
  const line = (wrong: string | null, key: Key) => (wrong === null ? undefined : t(key, { line: wrong }))
  if (kind === 'http') {
    return {
      url: /^https?:\/\/[^\s/]+/.test(draft.url.trim()) ? undefined : t('remote.urlForm'),
      headers: line(pairsOf(draft.headers, ':').wrong, 'remote.headerForm'),
      body: line(pairsOf(draft.body, '=').wrong, 'authn.claimsForm'),
    }
  }
  return {
    server: draft.server.trim() === '' ? t('remote.serverMissing') : undefined,
    question: draft.question.trim() === '' ? t('remote.questionMissing') : undefined,
  }
}
