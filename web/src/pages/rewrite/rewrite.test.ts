import { expect, it } from 'vitest'

import { tried, type Rule } from './rewrite'

const rule = (action: Rule['action'], source_topic: string, re: string, dest_topic: string): Rule => ({ action, source_topic, re, dest_topic })
const who = { clientid: 'c1', username: 'u1' }

const all = [rule('publish', 'x/#', '^x/y/(.+)$', 'z/$1'), rule('all', 'x/+/#', '^x/(.+?)/(.+)$', '${username}/$2/$1/${clientid}/$7'), rule('subscribe', 'bad', '(', 'q')]

it('follows the first rule that is for it', () => {
  expect(tried(all, 'publish', 'x/y/1/2', who)).toEqual({ rule: 1, topic: 'z/1/2' })
  expect(tried(all, 'subscribe', 'x/y/1/2', who)).toEqual({ rule: 2, topic: 'u1/1/2/y/c1/' })
  expect(tried(all, 'publish', 'x/a/b', who)).toEqual({ rule: 2, topic: 'u1/b/a/c1/' })
})

it('leaves other topics as they are, and guesses nothing', () => {
  expect(tried(all, 'publish', 'other', who)).toBe('same')
  expect(tried(all, 'publish', 'bad', who)).toBe('same')
  expect(tried(all, 'subscribe', 'bad', who)).toBe('unclear')
})
