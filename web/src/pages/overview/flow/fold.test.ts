import { expect, it } from 'vitest'

import { fold } from './fold'

function nodes(names: readonly string[], weight = 4) {
  return names.map((name) => ({ name, count: 1, weight }))
}

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n}`)
}

const told = (all: ReturnType<typeof fold>) => all.map((one) => [one.kind, one.name, one.members.length])

it('leaves few what they are', () => {
  expect(told(fold(nodes(['bci_1', 'bci_2']), 12))).toEqual([
    ['one', 'bci_1', 1],
    ['one', 'bci_2', 1],
  ])
})

it('makes one of those that begin alike', () => {
  const all = nodes([...numbered('dev-', 20), ...numbered('pump', 5), 'control'])
  expect(told(fold(all, 12))).toEqual([
    ['alike', 'dev-', 20],
    ['alike', 'pump', 5],
    ['one', 'control', 1],
  ])
})

it('is coarser where the finer leaves too many', () => {
  expect(told(fold(nodes(numbered('lab/room', 30).map((name) => `${name}/t`)), 12))).toEqual([['alike', 'lab/', 30]])
  const rooms = numbered('', 30).map((n) => `lab/room${Number(n) % 3}/${n}/t`)
  expect(told(fold(nodes(rooms), 12))).toEqual([0, 1, 2].map((n) => ['alike', `lab/room${n}/`, 10]))
  expect(told(fold(nodes(numbered('/lab/room', 30).map((name) => `${name}/t`)), 12))).toEqual([['alike', '/lab/', 30]])
})

it('keeps the busiest and calls the rest the others', () => {
  const all = [...nodes([...'abcdefghijklmnopqrstuvwxyz'].map((one) => `${one}x`)), ...nodes(['busy'], 900)]
  const folds = fold(all, 12)
  expect(folds).toHaveLength(12)
  expect(folds[0]).toMatchObject({ kind: 'one', name: 'busy' })
  expect(folds[11]).toMatchObject({ kind: 'others', name: '' })
  // A little more or less changes nothing.
  const wavering = all.map((one, at) => ({ ...one, weight: one.weight + (at % 3) }))
  expect(told(fold(wavering, 12))).toEqual(told(folds))
})

it('takes what the broker folded for what it is', () => {
  const all = [{ name: 'dev-', count: 4500, weight: 9 }, { name: '', count: 80, weight: 1 }]
  expect(told(fold(all, 12))).toEqual([
    ['alike', 'dev-', 1],
    ['others', '', 1],
  ])
})
