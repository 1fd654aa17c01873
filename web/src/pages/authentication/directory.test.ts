import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { directoryDraftOf, directoryFaults, directoryOf } from './directory'

beforeAll(() => speak('en'))

const KNOWN = {
  server: 'l:389',
  base_dn: 'dc=x',
  filter: '(uid=${username})',
  username: 'cn=t,dc=x',
  password: '******',
  method: { type: 'hash' as const, password_attribute: 'pw', is_superuser_attribute: 'super' },
  ssl: { enable: true, start_tls: true, verify: 'verify_peer' as const, cacertfile: '/ca.pem' },
  cache_ttl: '1m',
}

it('gives back what it was given', () => {
  expect(directoryOf(directoryDraftOf(KNOWN), KNOWN)).toEqual(KNOWN)
  expect(directoryOf({ ...directoryDraftOf(KNOWN), password: 'new', ca: '/other' }, KNOWN)).toMatchObject({ password: 'new', ssl: { cacertfile: '/other' } })
  const plain = { server: 'l', base_dn: 'dc=x', filter: '(a=${clientid})', method: { type: 'bind' as const, is_superuser_attribute: 'isSuperuser' } }
  expect(directoryOf(directoryDraftOf(plain), plain)).toEqual(plain)
})

it('begins with the directory that compares, over TLS', () => {
  const made = directoryOf({ ...directoryDraftOf(null), server: ' l ', base: 'dc=x' }, null)
  expect(made).toEqual({ server: 'l', base_dn: 'dc=x', filter: '(uid=${username})', method: { type: 'bind', is_superuser_attribute: 'isSuperuser' }, ssl: { enable: true, start_tls: false, cacertfile: '' } })
})

it('shows no password without a name', () => {
  const made = directoryOf({ ...directoryDraftOf(KNOWN), username: '' }, KNOWN)
  expect(made).not.toHaveProperty('password')
})

it('names what cannot be sent', () => {
  const draft = directoryDraftOf(KNOWN)
  expect(Object.values(directoryFaults(draft, KNOWN)).filter(Boolean)).toEqual([])
  for (const filter of ['', 'uid=${username}', '(uid=anna)']) expect(directoryFaults({ ...draft, filter }, KNOWN).filter, filter).toBeDefined()
  expect(directoryFaults({ ...draft, filter: '(uid=anna)', base: 'uid=${username},dc=x' }, KNOWN).filter).toBeUndefined()
  expect(directoryFaults(draft, null).searcher).toBeDefined()
  expect(directoryFaults({ ...draft, server: ' ', base: '' }, KNOWN)).toMatchObject({ server: expect.any(String), base: expect.any(String) })
})
