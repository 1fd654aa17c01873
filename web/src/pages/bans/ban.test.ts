import { expect, it } from 'vitest'

import { speak } from '@/words'

import { fromKey, keyOf, reasonOf, whoFault, whose } from './ban'

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

it('tells what the broker banned by itself in the language of the page', async () => {
  await speak('zh')
  const made = { by: 'flapping detector', reason: 'flapping is detected' }
  expect([whose(made), reasonOf(made)]).toEqual(['自动检测', '频繁上下线'])
  const typed = { by: 'admin', reason: 'flapping is detected' }
  expect([whose(typed), reasonOf(typed)]).toEqual(['admin', 'flapping is detected'])
})
