import { expect, it } from 'vitest'

import { best, score } from './match'

const entry = (title: string, hint = '') => ({ title, hint })

it('wants every word, anywhere', () => {
  expect(score(entry('mqtt.max_inflight', 'messages under way'), 'max way')).toBeGreaterThan(0)
  expect(score(entry('mqtt.max_inflight', 'messages under way'), 'max nothing')).toBe(0)
  expect(score(entry('黑名单', '/bans'), 'BAN')).toBeGreaterThan(0)
  expect(score(entry('anything'), '')).toBeGreaterThan(0)
})

it('puts beginnings before middles, titles before hints', () => {
  const all = [entry('other', 'clients'), entry('my clients'), entry('xclients'), entry('clients of mine'), entry('clients')]
  expect(best(all, 'clients', 9).map((one) => one.title)).toEqual(['clients', 'clients of mine', 'my clients', 'xclients', 'other'])
  expect(best(all, 'clients', 2)).toHaveLength(2)
})
