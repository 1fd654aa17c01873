import { expect, it } from 'vitest'

import { indexed, withSilent } from './silent'
import type { Branch, Level } from './topic'
import { opened, OPEN_MAX, ordered, parsed, rowsOf, settled, turned, written } from './tree'

const level = (name: string, rest: Partial<Level> = {}): Level => ({ name, topics: 1, rate: 0, count: 1, is_topic: true, retained: false, ...rest })
const branch = (of: string | null, ...levels: Level[]): Branch => ({ branch: of, levels, more: 0 })
const names = (levels: readonly Level[]) => levels.map((one) => one.name)

it('sorts by name or rate, with the broker’s own last', () => {
  const levels = [level('$SYS', { rate: 99 }), level('b10', { rate: 1 }), level('b9', { rate: 5 })]
  expect(names(ordered(levels, 'name'))).toEqual(['b9', 'b10', '$SYS'])
  expect(names(ordered(levels, 'rate'))).toEqual(['b9', 'b10', '$SYS'])
  expect(names(ordered([level('a', { rate: 1 }), level('b', { rate: 2 })], 'rate'))).toEqual(['b', 'a'])
})

it('has a row for all that is in an open branch', () => {
  const branches = new Map([
    [null, branch(null, level('lab', { topics: 3 }), level('', { topics: 1, is_topic: false }))],
    ['lab', branch('lab', level('t'), level('room', { topics: 2, is_topic: false }))],
    ['', branch('', level('lead'))],
  ])
  const rows = rowsOf(settled(branches, 'name', null), new Map([['lab', 7]]), new Set(['lab', '']))
  expect(rows.map((row) => [row.key, row.depth, row.open, row.more])).toEqual([
    ['', 0, true, 0],
    ['/lead', 1, null, 0],
    ['lab', 0, true, 0],
    ['lab/room', 1, false, 0],
    ['lab/t', 1, null, 0],
    ['lab/\0', 1, null, 7],
  ])
})

it('moves nothing under the pointer', () => {
  const first = settled(new Map([[null, branch(null, level('b'), level('c'))]]), 'name', null)
  const then = settled(new Map([[null, branch(null, level('a'), level('c'))]]), 'name', first)
  expect(then.get(null)?.map(({ row, gone }) => [row.name, gone])).toEqual([
    ['b', true],
    ['c', false],
    ['a', false],
  ])
})

it('folds a branch with what is below, and keeps to what may be open', () => {
  expect(turned(['a', 'a/b', 'ab'], 'a')).toEqual(['ab'])
  const many = Array.from({ length: OPEN_MAX }, (_, n) => `b${n}`)
  expect(turned(many, 'new')).toEqual([...many.slice(1), 'new'])
  const deep = Array.from({ length: OPEN_MAX }, (_, n) => Array(n + 1).fill('x').join('/'))
  const deeper = `${deep.at(-1)}/x`
  // There is nothing to give way but its own way in.
  expect(turned(deep, deeper)).toEqual(deep)
  expect(opened([], 'a/b/c')).toEqual(['a', 'a/b'])
  expect(opened(['a'], '/x')).toEqual(['a', ''])
})

it('stands in the address', () => {
  for (const open of [[], ['a', 'a/b'], [''], ['a,b', '温/度', '%']]) expect(parsed(written(open))).toEqual(open)
  expect(written(['lab/room1'])).toBe('/lab/room1')
  expect(parsed('/%E0%A4%A')).toEqual([])
})

it('shows retained topics on which nobody publishes', () => {
  const index = indexed(['lab/config', 'lab/room/config', 'lab/room/x', 'labx', 'lab'], ['lab'])
  const root = withSilent(branch(null, level('lab', { topics: 1 })), index)
  expect(root.levels.map((one) => [one.name, one.topics, one.is_topic, one.retained])).toEqual([
    ['lab', 4, true, true],
    ['labx', 1, true, true],
  ])
  const lab = withSilent(branch('lab', level('config', { rate: 3 })), index)
  expect(lab.levels.map((one) => [one.name, one.topics, one.is_topic, one.retained, one.rate])).toEqual([
    ['config', 1, true, true, 3],
    ['room', 2, false, false, 0],
  ])
})
