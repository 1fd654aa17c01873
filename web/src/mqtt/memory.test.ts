import { expect, it } from 'vitest'

import { FRESH_DRAFT } from './draft'
import { forgetTemplate, keepTemplate, memory, recalled, toggleFavourite, used } from './memory'

it('remembers the last ones, each once', () => {
  for (const name of ['a', 'b', 'a', 'a']) used('topic', name)
  expect(memory.recent.topic).toEqual(['a', 'b'])
  for (let n = 0; n < 20; n += 1) used('filter', String(n))
  expect([memory.recent.filter.length, memory.recent.filter[0]]).toEqual([12, '19'])
})

it('keeps favourites and templates until they are taken back', () => {
  toggleFavourite('topic', 'x')
  expect(memory.favourite.topic).toEqual(['x'])
  toggleFavourite('topic', 'x')
  expect(memory.favourite.topic).toEqual([])
  keepTemplate('b', FRESH_DRAFT)
  keepTemplate('a', FRESH_DRAFT)
  keepTemplate('b', { ...FRESH_DRAFT, topic: 'new' })
  expect(memory.templates.map((one) => [one.name, one.draft.topic])).toEqual([['a', 'test'], ['b', 'new']])
  expect(recalled(JSON.stringify(memory))).toEqual(memory)
  forgetTemplate('a')
  expect(memory.templates).toHaveLength(1)
})

it('takes nothing that is none of it', () => {
  for (const kept of [null, '', '3', '{"recent":{"topic":[1,"a"]},"templates":[{"name":""},3]}']) {
    expect(recalled(kept)).toMatchObject({ favourite: { topic: [], filter: [] }, templates: [] })
  }
})
