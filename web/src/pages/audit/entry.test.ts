import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { failed, target, what } from './entry'

beforeAll(() => speak('en'))

it('says what was done', () => {
  expect(what({ http_method: 'delete', operation_id: '/clients/{clientid}' })).toBe('Kicked')
  expect(what({ http_method: 'post', operation_id: '/clients/kickout/bulk' })).toBe('Kicked several clients')
  expect(what({ http_method: 'put', operation_id: '/users/{username}/change_pwd' })).toBe('Changed a password')
  expect(what({ http_method: 'post', operation_id: '/publish' })).toBe('Published')
  expect(what({ http_method: 'put', operation_id: '/of/tomorrow' })).toBe('PUT /of/tomorrow')
})

it('says whom it was done to', () => {
  const of = (operation_id: string, path: string, body?: unknown) => target({ operation_id, http_request: { path, body } })
  expect(of('/clients/{clientid}', '/api/v5/clients/a%2Fb')).toBe('a/b')
  expect(of('/clients/{clientid}', '/api/v5/clients/100%')).toBe('100%')
  expect(of('/banned/{as}/{who}', '/api/v5/banned/clientid/x')).toBe('clientid x')
  expect(of('/clients/kickout/bulk', '/api/v5/clients/kickout/bulk', ['a', 'b'])).toBe('a, b')
  expect(of('/users', '/api/v5/users', { username: 'eve', role: 'viewer' })).toBe('eve')
  expect(of('/settings', '/api/v5/settings', { 'mqtt.max_inflight': 3 })).toBe('mqtt.max_inflight')
  const sent = { calls: 3, messages: 3, payload_bytes: 9, topics: [{ topic: 'a/1' }, { topic: 'b' }], other_messages: 0 }
  expect(of('/publish', '/api/v5/publish', sent)).toBe('a/1, b')
  expect(of('/publish/bulk', '/api/v5/publish/bulk', { ...sent, other_messages: 4 })).toBe('a/1, b, …')
  const first = [{ clientid: 'c1', topic: 'a/#' }]
  expect(of('/authorization/revoked', '', { subscriptions: 1, first })).toBe('1 in all: c1 a/#')
  expect(of('/authorization/revoked', '', { subscriptions: 9000, first })).toBe('9,000 in all: c1 a/#, …')
  expect(of('/alarms', '/api/v5/alarms')).toBe('')
})

it('says why it was refused', () => {
  expect(failed({ failure: 'BAD_TOPIC: a/#: no wildcards', http_status_code: 400 })).toMatch(/a\/#: no wildcards$/)
  expect(failed({ failure: 'NEVER_HEARD_OF', http_status_code: 418 })).toContain('NEVER_HEARD_OF')
})
