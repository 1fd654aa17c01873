import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { idOf, isLast, kindOf, stateOf, type Authenticator, type Link } from './authenticator'
import { claimsOf, draftOf, faultsOf, hasSecret, setupOf } from './draft'

beforeAll(() => speak('en'))

const BUILT_IN: Authenticator = { mechanism: 'password_based', backend: 'built_in_database', enable: false, user_id_type: 'clientid', password_hash_algorithm: { name: 'pbkdf2', mac_fun: 'sha512', iterations: 5000, dk_length: 20 } }
const JWT: Authenticator = { mechanism: 'jwt', enable: true, algorithm: 'hmac-based', secret: '******', verify_claims: { sub: '${username}' } as never }

const SCRAM: Authenticator = { mechanism: 'scram', backend: 'built_in_database', enable: true, algorithm: 'sha512', iteration_count: 8192 }

it('sends of SCRAM what it has, with rounds that there can be', () => {
  expect(kindOf(SCRAM)).toBe('scram')
  const draft = draftOf(SCRAM, 'scram')
  expect(setupOf(draft, SCRAM)).toEqual(SCRAM)
  expect(setupOf(draftOf(null, 'scram'), null)).toMatchObject({ algorithm: 'sha256', iteration_count: 4096 })
  expect(faultsOf(draft, SCRAM).scramRounds).toBeUndefined()
  for (const rounds of ['', 0, 1.5, 1_000_001] as const) expect(faultsOf({ ...draft, scramRounds: rounds }, SCRAM).scramRounds, String(rounds)).toBeDefined()
})

it('knows the kinds by their ids', () => {
  expect(idOf(BUILT_IN)).toBe('password_based:built_in_database')
  expect(kindOf(BUILT_IN)).toBe('built_in')
  expect(kindOf(JWT)).toBe('jwt')
  expect(kindOf({ mechanism: 'jwt', backend: 'file', enable: true })).toBeNull()
})

it('leaves what is not changed as it was', () => {
  expect(setupOf(draftOf(BUILT_IN, 'built_in'), BUILT_IN)).toEqual(BUILT_IN)
  const sent = setupOf(draftOf(JWT, 'jwt'), JWT)
  expect(sent).toMatchObject({ secret: '******', enable: true, verify_claims: { sub: '${username}' } })
  expect(setupOf({ ...draftOf(JWT, 'jwt'), secret: 'other' }, JWT).secret).toBe('other')
})

it('keeps no parameter of another way to keep passwords', () => {
  const draft = { ...draftOf(BUILT_IN, 'built_in'), hash: 'argon2id' as const }
  expect(setupOf(draft, BUILT_IN).password_hash_algorithm).toEqual({ name: 'argon2id' })
  expect(setupOf({ ...draft, hash: 'bcrypt', rounds: 12 }, BUILT_IN).password_hash_algorithm).toEqual({ name: 'bcrypt', salt_rounds: 12 })
})

it('has keys from one place only', () => {
  const file = setupOf({ ...draftOf(JWT, 'jwt'), keys: 'file', jwks: ' /etc/keys.json ' }, JWT)
  expect(file).toMatchObject({ use_jwks: true, endpoint: 'file:///etc/keys.json' })
  expect(file).not.toHaveProperty('secret')
  const back = draftOf({ mechanism: 'jwt', enable: true, use_jwks: true, endpoint: 'file:///etc/keys.json' }, 'jwt')
  expect([back.keys, back.jwks]).toEqual(['file', 'file:///etc/keys.json'])
  const far: Authenticator = { mechanism: 'jwt', enable: true, use_jwks: true, endpoint: 'https://a/keys', refresh_interval: 60, headers: { authorization: '******' } }
  expect(setupOf(draftOf(far, 'jwt'), far)).toMatchObject(far)
})

it('reads claims line by line', () => {
  expect(claimsOf(' iss = lab \n\nsub=${username}\nurl = a=b ')).toEqual({ found: { iss: 'lab', sub: '${username}', url: 'a=b' }, wrong: null })
  for (const line of ['iss', '= lab', 'iss =']) expect(claimsOf(`a = b\n${line}`).wrong, line).toBe(line.trim())
})

it('names what cannot be sent', () => {
  expect(faultsOf(draftOf(null, 'jwt'), null).secret).toBeDefined()
  expect(faultsOf(draftOf(JWT, 'jwt'), JWT).secret).toBeUndefined()
  expect(hasSecret({ ...JWT, algorithm: 'public-key' })).toBe(false)
  expect(faultsOf({ ...draftOf(null, 'jwt'), keys: 'public', pem: 'x' }, null).pem).toBeDefined()
  expect(faultsOf({ ...draftOf(null, 'jwt'), keys: 'file' }, null).jwks).toBeDefined()
  expect(faultsOf({ ...draftOf(JWT, 'jwt'), claims: 'x' }, JWT).claims).toContain('x')
  expect(faultsOf(draftOf(null, 'file'), null).path).toBeDefined()
  for (const rounds of [3, 17, 4.5, '' as const]) expect(faultsOf({ ...draftOf(null, 'built_in'), hash: 'bcrypt', rounds }, null).rounds, String(rounds)).toBeDefined()
  // What is not shown is not in the way.
  expect(Object.values(faultsOf({ ...draftOf(null, 'built_in'), rounds: 3 }, null)).filter(Boolean)).toEqual([])
})

const link = (one: Authenticator, total = 0): Link => ({ number: 1, one, status: { status: 'connected', metrics: { total, success: 0, failed: 0, nomatch: 0, rate: 0, rate_max: 0, rate_last5m: 0 }, resource_metrics: {}, waiting: 0, node_metrics: [], node_status: [], node_error: [] } })

it('knows the last one that checks passwords', () => {
  const [off, on] = [link(BUILT_IN), link(JWT)]
  expect(isLast(on, [off, on])).toBe(true)
  expect(isLast(off, [off, on])).toBe(false)
  const other = link({ mechanism: 'password_based', backend: 'file', enable: true, path: '/x' })
  expect(isLast(on, [on, other])).toBe(false)
})

it('does not say of one elsewhere that it is well before it was asked', () => {
  const far: Authenticator = { mechanism: 'password_based', backend: 'ldap', enable: true, server: 'ldap.example' }
  expect(stateOf(link(far))).toBe('unasked')
  expect(stateOf(link(far, 1))).toBe('on')
  expect(stateOf(link({ ...far, enable: false }))).toBe('off')
  expect(stateOf(link(JWT))).toBe('on')
  const trouble = link(far)
  expect(stateOf({ ...trouble, status: { ...trouble.status, status: 'disconnected' } })).toBe('failing')
})
