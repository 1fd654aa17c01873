import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { draftOf, faultsOf, inShort, nameFault, ownerColumns, ruleOf, type Rule } from './rule'

beforeAll(() => speak('en'))

const RULE: Rule = { permission: 'deny', action: 'publish', topic: 'eq a/+', qos: [0, 2], retain: true }

it('gives a rule back as it was', () => {
  expect(draftOf(RULE)).toMatchObject({ topic: 'a/+', exact: true, retain: 'true' })
  expect(ruleOf(draftOf(RULE))).toEqual({ ...RULE, retain: 'true' })
})

it('says nothing that means nothing', () => {
  // A topic without wildcards is exact by itself, and who subscribes retains nothing.
  expect(ruleOf({ ...draftOf(RULE), topic: 'a/b', action: 'subscribe' })).toMatchObject({ topic: 'a/b', retain: 'all' })
  expect(ruleOf({ ...draftOf(null), topic: 'a', qos: [2, 0] }).qos).toEqual([0, 2])
})

it('names what cannot be sent', () => {
  const faults = (topic: string, qos = [0]) => faultsOf({ ...draftOf(null), topic, qos })
  for (const topic of ['a/#', 'dev/${clientid}/+', '#', '$SYS/#']) expect(faults(topic).topic, topic).toBeUndefined()
  for (const topic of ['', 'a/#/b', 'a+', '$share/g/a']) expect(faults(topic).topic, topic).toBeDefined()
  expect(faults('a', []).qos).toBeDefined()
  expect([nameFault(''), nameFault('..'), nameFault('a/b')]).toEqual(['nameMissing', 'nameForm', null])
})

it('tells rules in one line, and of many the first', () => {
  expect(inShort(RULE)).toBe('deny publish eq a/+')
  const summary = ownerColumns('users').find(({ key }) => key === 'summary')
  expect(summary?.text({ name: 'u', rules: Array.from({ length: 4 }, () => RULE) })).toMatch(/(deny publish eq a\/\+; ){3}…/)
})
