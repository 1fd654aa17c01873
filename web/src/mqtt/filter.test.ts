import { expect, it } from 'vitest'

import { filterFault, matches, topicFault } from './filter'

it('knows filters', () => {
  for (const good of ['a', '/', '#', '+', 'a/+/b/#', '$share/g/a/#', '$share/g//', '$SYS/#', '中文/+']) {
    expect(filterFault(good), good).toBeNull()
  }
  expect(filterFault('')).toBe('empty')
  expect(filterFault('a\0')).toBe('nul')
  expect(filterFault('中'.repeat(21_846))).toBe('long')
  for (const bad of ['a#', '#/a', 'a/#/b']) expect(filterFault(bad), bad).toBe('hash')
  for (const bad of ['a+', '+a/b']) expect(filterFault(bad), bad).toBe('plus')
  for (const bad of ['$share/g', '$share//a', '$share/+/a', '$share/g/']) expect(filterFault(bad), bad).toBe('share')
})

it('knows topics', () => {
  expect(topicFault('a/b')).toBeNull()
  expect(topicFault('a/+')).toBe('wildcard')
  expect(topicFault('')).toBe('empty')
})

it('matches as brokers do', () => {
  const yes = [['#', 'a'], ['a/#', 'a'], ['a/#', 'a/b/c'], ['+/b', 'a/b'], ['+', ''], ['$SYS/#', '$SYS/x'], ['$share/g/a', 'a'], ['a', 'a']]
  const no = [['#', '$SYS/x'], ['+/x', '$SYS/x'], ['a', 'a/b'], ['a/+', 'a'], ['a/+', 'a/b/c'], ['A', 'a']]
  for (const [filter = '', topic = ''] of yes) expect(matches(filter, topic), `${filter} ${topic}`).toBe(true)
  for (const [filter = '', topic = ''] of no) expect(matches(filter, topic), `${filter} ${topic}`).toBe(false)
})
