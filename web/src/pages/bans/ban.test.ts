import { expect, it } from 'vitest'

import { fromKey, keyOf, whoFault } from './ban'

it('checks whom a ban is for', () => {
  expect(whoFault('clientid', '')).toBe('whoMissing')
  expect(whoFault('clientid', '[')).toBeNull()
  expect(whoFault('peerhost', '192.168.1')).toBe('noAddress')
  expect(whoFault('peerhost', '192.168.1.7')).toBeNull()
  expect(whoFault('peerhost_net', '192.168.1.7')).toBe('noNetwork')
  expect(whoFault('peerhost_net', '192.168.1.0/33')).toBe('noNetwork')
  expect(whoFault('peerhost_net', '192.168.1.0/24')).toBeNull()
  expect(whoFault('peerhost_net', 'fd00::/8')).toBeNull()
  expect(whoFault('clientid_re', '[a')).toBe('noPattern')
  expect(whoFault('username_re', '^a+$')).toBeNull()
})

it('tells bans apart whatever is written in them', () => {
  const ban = { as: 'username' as const, who: 'a","b' }
  expect(fromKey(keyOf(ban))).toEqual(ban)
  expect(keyOf(ban)).not.toBe(keyOf({ as: 'clientid', who: ban.who }))
})
