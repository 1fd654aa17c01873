import { beforeAll, expect, it } from 'vitest'

import { speak } from '@/words'

import { groundOf, isCurable, linkTo, placeOf, plainFilter, remedyOf, type Denied } from './judge'
import type { Source } from './source'

beforeAll(() => speak('en'))

const WHO = { username: 'anna', clientid: 'c, rule 9: x' }

it('finds the rule that decided, whatever its owner is called', () => {
  expect(placeOf('built_in_database, all, rule 2: deny subscribe s', WHO)).toEqual({ owner: { of: 'all', name: '' }, number: 2, says: 'deny subscribe s' })
  expect(placeOf('built_in_database, user anna, rule 1: allow all a, rule 3: b', WHO)).toEqual({ owner: { of: 'users', name: 'anna' }, number: 1, says: 'allow all a, rule 3: b' })
  expect(placeOf('built_in_database, client c, rule 9: x, rule 4: deny publish p', WHO)).toMatchObject({ owner: { of: 'clients', name: WHO.clientid }, number: 4 })
  expect(placeOf('file, rule 7: deny subscribe a/#', WHO)).toEqual({ file: true, number: 7, says: 'deny subscribe a/#' })
  // Of somebody else, or of a source that is not known here.
  expect(placeOf('built_in_database, user bert, rule 1: allow all a', WHO)).toBeNull()
  expect(placeOf('http, rule 1: allow all a', WHO)).toBeNull()
  expect(placeOf('no rule is about it (no_match)', WHO)).toBeNull()
})

it('says in words what decided', () => {
  const told = (rule: string) => groundOf(rule, placeOf(rule, WHO))
  expect(told('built_in_database, user anna, rule 1: deny all a/#')).toBe('Built-in rules · user anna · rule 1: deny publish and subscribe a/#')
  expect(told('file, rule 7: odd words')).toBe('Rules as text · rule 7: odd words')
  expect(told('no rule is about it (no_match)')).toMatch(/^No rule is about it/)
  expect(told('of tomorrow')).toBe('of tomorrow')
})

it('leads to where it is edited', () => {
  const to = (rule: string) => {
    const place = placeOf(rule, WHO)
    return place && linkTo(place).query
  }
  expect(to('built_in_database, user anna, rule 1: allow all a')).toEqual({ of: 'users', who: 'anna', rule: '1' })
  expect(to('built_in_database, all, rule 2: allow all a')).toEqual({ rule: '2' })
  expect(to('file, rule 2: allow all a')).toEqual({ tab: 'sources' })
})

it('allows only what comes before the denial', () => {
  const sources: Source[] = [{ type: 'built_in_database', enable: true }, { type: 'file', enable: true }]
  const denied = (rule: string): Denied => ({ username: 'anna', clientid: 'c', action: 'subscribe', topic: 's', rule })
  const remedy = (rule: string, anonymous = false, from = sources) => {
    const { owners, obstacle } = remedyOf(denied(rule), from, anonymous)
    return [owners.map(({ of }) => of).join(), obstacle]
  }
  expect(remedy('no rule is about it (no_match)')).toEqual(['users,clients,all', null])
  expect(remedy('built_in_database, all, rule 1: deny subscribe s')).toEqual(['users,clients,all', null])
  expect(remedy('built_in_database, user anna, rule 1: deny subscribe s')).toEqual(['users,clients', null])
  expect(remedy('built_in_database, client c, rule 1: deny subscribe s')).toEqual(['clients', null])
  expect(remedy('no rule is about it (no_match)', true)).toEqual(['clients,all', null])
  expect(remedy('file, rule 1: deny subscribe s')[1]).toBeNull()
  expect(remedy('file, rule 1: deny subscribe s', false, [...sources].reverse())[1]).toBe('byFile')
  expect(remedy('no rule is about it (no_match)', false, [{ type: 'built_in_database', enable: false }])[1]).toBe('byOff')
})

it('overrules rules, and not what is so by itself', () => {
  expect(isCurable('only the broker publishes to topics that begin with $')).toBe(false)
  expect(isCurable('file, rule 1: deny subscribe s')).toBe(true)
  expect(isCurable('no rule is about it (no_match)')).toBe(true)
})

it('is about what a shared subscription is to', () => {
  expect(plainFilter('$share/g/a/#')).toBe('a/#')
  expect(plainFilter('a/$share/b')).toBe('a/$share/b')
})
