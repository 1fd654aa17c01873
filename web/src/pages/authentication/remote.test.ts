import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { pairsOf, remoteDraftOf, remoteFaults, remoteOf } from './remote'

beforeAll(() => speak('en'))

it('reads lines of names and values', () => {
  expect(pairsOf(' content-type: application/json \n\nx-url: http://a:1', ':')).toEqual({ found: { 'content-type': 'application/json', 'x-url': 'http://a:1' }, wrong: null })
  for (const line of ['alone', ': x', 'x:']) expect(pairsOf(line, ':').wrong, line).toBe(line)
})

it('gives back what it was given', () => {
  const http = { url: 'https://a/b', method: 'get' as const, headers: { authorization: '******' }, body: { u: '${username}' } as never, cache_ttl: '1m' }
  expect(remoteOf(remoteDraftOf(http, 'http', 'users'), 'http', http)).toEqual(http)
  const sql = { server: 'db:5432', database: 'mqtt', username: 'u', password: '******', query: 'SELECT 1', pool_size: 4, ssl: { enable: true, verify: 'verify_peer' as const } }
  expect(remoteOf(remoteDraftOf(sql, 'postgresql', 'users'), 'postgresql', sql)).toEqual(sql)
  expect(remoteOf({ ...remoteDraftOf(sql, 'postgresql', 'users'), password: 'new' }, 'postgresql', sql).password).toBe('new')
})

it('asks each in its own language', () => {
  const redis = remoteOf({ ...remoteDraftOf(null, 'redis', 'rules'), server: 'r' }, 'redis', null)
  expect(redis).toEqual({ server: 'r', redis_type: 'single', cmd: 'HGETALL mqtt_acl:${username}' })
  expect(remoteOf({ ...remoteDraftOf(null, 'mysql', 'users'), server: 'm' }, 'mysql', null).query).toMatch(/^SELECT password_hash/)
})

it('names what cannot be sent', () => {
  const draft = remoteDraftOf(null, 'http', 'users')
  for (const url of ['', 'a/b', 'ftp://a', 'https://']) expect(remoteFaults({ ...draft, url }, 'http').url, url).toBeDefined()
  expect(remoteFaults({ ...draft, url: 'http://a:80/b', headers: 'x' }, 'http')).toMatchObject({ url: undefined, headers: expect.stringContaining('x') })
  expect(remoteFaults({ ...draft, question: ' ' }, 'redis').question).toBeDefined()
  expect(remoteFaults(draft, 'redis').server).toBeDefined()
})
