import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { cacheFaults, cacheOf, cacheTold, type Settings } from './source'

beforeAll(() => speak('en'))

const NOW: Settings = { no_match: 'allow', deny_action: 'ignore', cache: { enable: true, max_size: 64, ttl: '30s', excludes: ['a/#'] } }

it('tells what is remembered of answers from elsewhere', () => {
  expect(cacheTold(NOW)).toBe('64 are remembered for each connection, 30 s long')
  expect(cacheTold({ ...NOW, cache: { ...cacheOf(NOW), enable: false } })).toContain('asked anew')
  expect(cacheOf({ no_match: 'allow', deny_action: 'ignore' })).toEqual({ enable: true, max_size: 32, ttl: '1m', excludes: [] })
  expect(cacheOf(NOW)).toEqual(NOW.cache)
})

it('checks how many and how long', () => {
  expect(cacheFaults('32', '1m')).toEqual({ size: undefined, ttl: undefined })
  for (const size of ['0', '', '1.5', '1001']) expect(cacheFaults(size, '1m').size, size).toBeDefined()
  for (const ttl of ['', '0s', '1h30m', '60', '1d', '25h']) expect(cacheFaults('32', ttl).ttl, ttl).toBeDefined()
})
