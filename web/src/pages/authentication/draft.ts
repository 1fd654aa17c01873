// An authenticator as it is typed, what is wrong with that, and what is sent of it.
import { t } from '@/words'

import { kindOf, type Authenticator, type Kind } from './authenticator'
import { directoryDraftOf, directoryFaults, directoryOf, type DirectoryDraft, type DirectoryField } from './directory'
import { isRemote, remoteDraftOf, remoteFaults, remoteOf, type RemoteDraft, type RemoteField } from './remote'

type Hash = NonNullable<Authenticator['password_hash_algorithm']>
export type HashName = Hash['name']

/** What passwords can be kept as, the best first. */
export const HASHES: readonly HashName[] = ['argon2id', 'bcrypt', 'pbkdf2', 'sha512', 'sha256', 'plain']
/** Those that are quickly tried out. */
export const WEAK: ReadonlySet<HashName> = new Set(['sha512', 'sha256', 'plain'])

export interface Draft {
  kind: Kind
  calledBy: 'username' | 'clientid'
  hash: HashName
  rounds: number | ''
  scram: 'sha256' | 'sha512'
  scramRounds: number | ''
  iterations: number | ''
  path: string
  from: 'password' | 'username'
  keys: 'secret' | 'public' | 'file'
  secret: string
  base64: boolean
  pem: string
  /** Where a set of keys is: an address, or a path on the broker's machine. */
  jwks: string
  /** A claim and what it has to be on each line. */
  claims: string
  ends: boolean
  aclClaim: string
  /** Of a service or a database elsewhere. */
  remote: RemoteDraft
  directory: DirectoryDraft
}

/** What the API shows, and takes, in the place of a secret that stays. */
const MASK = '******'

export function draftOf(one: Authenticator | null, kind: Kind): Draft {
  const hash = one?.password_hash_algorithm
  return {
    kind,
    calledBy: one?.user_id_type ?? 'username',
    hash: hash?.name ?? 'argon2id',
    rounds: hash?.salt_rounds ?? 10,
    scram: one?.algorithm === 'sha512' ? 'sha512' : 'sha256',
    scramRounds: one?.iteration_count ?? 4096,
    iterations: hash?.iterations ?? 210_000,
    path: one?.path ?? '',
    from: one?.from ?? 'password',
    keys: one?.use_jwks ? 'file' : one?.algorithm === 'public-key' ? 'public' : 'secret',
    secret: '',
    base64: one?.secret_base64_encoded ?? false,
    pem: one?.public_key ?? '',
    jwks: one?.endpoint ?? '',
    claims: claimLines(one?.verify_claims),
    ends: one?.disconnect_after_expire ?? true,
    aclClaim: one?.acl_claim_name ?? 'acl',
    remote: remoteDraftOf(one, isRemote(kind) ? kind : 'http', 'users'),
    directory: directoryDraftOf(one),
  }
}

function claimLines(claims: unknown): string {
  if (typeof claims !== 'object' || claims === null) return ''
  return Object.entries(claims)
    .map(([name, due]) => `${name} = ${String(due)}`)
    .join('\n')
}

export interface Claims {
  readonly found: Readonly<Record<string, string>>
  /** The first line that is none. */
  readonly wrong: string | null
}

export function claimsOf(text: string): Claims {
  const found: Record<string, string> = {}
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '') continue
    const [, name, due] = /^([^=]*[^=\s])\s*=\s*(.+)$/.exec(line) ?? []
    if (name === undefined || due === undefined) return { found, wrong: line }
    found[name] = due
  }
  return { found, wrong: null }
}

/** `before` is what is changed; null for a new one. */
export function setupOf(draft: Draft, before: Authenticator | null): Authenticator {
  const enable = before?.enable ?? true
  switch (draft.kind) {
    case 'built_in':
      return { mechanism: 'password_based', backend: 'built_in_database', enable, user_id_type: draft.calledBy, password_hash_algorithm: hashOf(draft, before?.password_hash_algorithm) }
    case 'scram':
      return { mechanism: 'scram', backend: 'built_in_database', enable, algorithm: draft.scram, iteration_count: Number(draft.scramRounds) }
    case 'file':
      return { mechanism: 'password_based', backend: 'file', enable, path: draft.path.trim() }
    case 'jwt':
      return { ...(draft.keys === 'file' ? kept(before) : {}), ...tokenOf(draft), mechanism: 'jwt', enable }
    case 'ldap':
      return { ...directoryOf(draft.directory, before), mechanism: 'password_based', backend: 'ldap', enable }
    case 'http':
      return { ...remoteOf(draft.remote, draft.kind, before), mechanism: 'password_based', backend: draft.kind, enable }
    default:
      return { ...remoteOf(draft.remote, draft.kind, before), mechanism: 'password_based', backend: draft.kind, enable, password_hash_algorithm: hashOf(draft, before?.password_hash_algorithm) }
  }
}

/** With what the form does not ask for as it was. */
function hashOf(draft: Draft, before: Hash | null | undefined): Hash {
  const same = before?.name === draft.hash ? before : null
  switch (draft.hash) {
    case 'bcrypt':
      return { name: 'bcrypt', salt_rounds: Number(draft.rounds) }
    case 'pbkdf2':
      return { name: 'pbkdf2', mac_fun: same?.mac_fun ?? 'sha256', iterations: Number(draft.iterations), dk_length: same?.dk_length ?? 32 }
    default:
      return same ?? { name: draft.hash }
  }
}

function tokenOf(draft: Draft): Partial<Authenticator> {
  const said = {
    from: draft.from,
    // The document says that it is an object, and not of what.
    verify_claims: claimsOf(draft.claims).found as never,
    disconnect_after_expire: draft.ends,
    acl_claim_name: draft.aclClaim.trim() || 'acl',
  }
  switch (draft.keys) {
    case 'secret':
      return { ...said, algorithm: 'hmac-based', secret: draft.secret === '' ? MASK : draft.secret, secret_base64_encoded: draft.base64 }
    case 'public':
      return { ...said, algorithm: 'public-key', public_key: draft.pem }
    case 'file':
      return { ...said, use_jwks: true, endpoint: endpointOf(draft.jwks.trim()) }
  }
}

/** What the form does not ask for of a set of keys on the network. */
function kept(before: Authenticator | null): Partial<Authenticator> {
  if (!before?.use_jwks) return {}
  const { headers, ssl, refresh_interval, connect_timeout, request_timeout } = before
  return JSON.parse(JSON.stringify({ headers, ssl, refresh_interval, connect_timeout, request_timeout })) as Partial<Authenticator>
}

function endpointOf(text: string): string {
  return text.includes('://') ? text : `file://${text}`
}

export type Field = 'rounds' | 'scramRounds' | 'iterations' | 'path' | 'secret' | 'pem' | 'jwks' | 'claims' | RemoteField | DirectoryField
export type Faults = Partial<Record<Field, string | undefined>>

export function faultsOf(draft: Draft, before: Authenticator | null): Faults {
  const whole = (n: number | '', min: number, max: number) => Number.isInteger(n) && Number(n) >= min && Number(n) <= max
  if (draft.kind === 'ldap') return directoryFaults(draft.directory, before)
  if (draft.kind === 'http') return remoteFaults(draft.remote, draft.kind)
  if (draft.kind === 'built_in' || isRemote(draft.kind)) {
    return {
      ...(isRemote(draft.kind) ? remoteFaults(draft.remote, draft.kind) : {}),
      rounds: draft.hash !== 'bcrypt' || whole(draft.rounds, 4, 16) ? undefined : t('authn.roundsForm'),
      iterations: draft.hash !== 'pbkdf2' || whole(draft.iterations, 1, 10_000_000) ? undefined : t('authn.iterationsForm'),
    }
  }
  if (draft.kind === 'scram') return { scramRounds: whole(draft.scramRounds, 1, 1_000_000) ? undefined : t('authn.scramRoundsForm') }
  if (draft.kind === 'file') return { path: draft.path.trim() === '' ? t('authn.pathMissing') : undefined }
  const { wrong } = claimsOf(draft.claims)
  return {
    secret: draft.keys !== 'secret' || draft.secret !== '' || hasSecret(before) ? undefined : t('authn.secretMissing'),
    pem: draft.keys !== 'public' || draft.pem.includes('-----BEGIN') ? undefined : t('authn.pemMissing'),
    jwks: draft.keys !== 'file' || draft.jwks.trim() !== '' ? undefined : t('authn.pathMissing'),
    claims: wrong === null ? undefined : t('authn.claimsForm', { line: wrong }),
  }
}

/** Whether there is a secret that stays if none is typed. */
export function hasSecret(before: Authenticator | null): boolean {
  return before !== null && kindOf(before) === 'jwt' && before.algorithm === 'hmac-based' && !before.use_jwks
}
