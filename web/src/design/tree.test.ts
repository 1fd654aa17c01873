import { expect, it } from 'vitest'

import { moved, type TreeRow } from './tree'

const row = (key: string, depth: number, open: boolean | null): TreeRow => ({ key, depth, open })
const rows = [row('a', 0, true), row('a/b', 1, false), row('a/c', 1, null), row('d', 0, null)]

it('goes through the rows and no farther', () => {
  expect(moved(rows, 0, 'ArrowDown', 2)).toEqual({ to: 1 })
  expect(moved(rows, 0, 'ArrowUp', 2)).toEqual({ to: 0 })
  expect(moved(rows, 3, 'ArrowDown', 2)).toEqual({ to: 3 })
  expect(moved(rows, 1, 'End', 2)).toEqual({ to: 3 })
  expect(moved(rows, 3, 'Home', 2)).toEqual({ to: 0 })
  expect(moved(rows, 0, 'PageDown', 2)).toEqual({ to: 2 })
  expect(moved(rows, 3, 'PageUp', 9)).toEqual({ to: 0 })
})

it('opens, enters, folds and leaves', () => {
  expect(moved(rows, 1, 'ArrowRight', 2)).toEqual({ turn: 1 })
  expect(moved(rows, 0, 'ArrowRight', 2)).toEqual({ to: 1 })
  expect(moved(rows, 2, 'ArrowRight', 2)).toBeNull()
  expect(moved(rows, 0, 'ArrowLeft', 2)).toEqual({ turn: 0 })
  expect(moved(rows, 2, 'ArrowLeft', 2)).toEqual({ to: 0 })
  expect(moved(rows, 3, 'ArrowLeft', 2)).toBeNull()
})

it('chooses, and begins at the first', () => {
  expect(moved(rows, 2, 'Enter', 2)).toEqual({ choose: 2 })
  expect(moved(rows, -1, 'ArrowDown', 2)).toEqual({ to: 0 })
  expect(moved([], -1, 'ArrowDown', 2)).toBeNull()
  expect(moved(rows, 0, 'x', 2)).toBeNull()
})
