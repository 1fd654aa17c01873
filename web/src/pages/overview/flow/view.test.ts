import { expect, it } from 'vitest'

import type { PictureChange } from '@/app/feeds'

import { layoutOf, NO_ORDER, ordered, pointOf } from './layout'
import { applied, NO_FLOW, type Loss } from './model'
import { viewOf } from './view'

/** The tutorial's two scripts. */
const TUTORIAL: PictureChange = {
  millis: 1_000,
  nodes: [
    { n: 0, column: 'publisher', name: 'bci_1', count: 1 },
    { n: 1, column: 'topic', name: 'test', count: 1 },
    { n: 2, column: 'topic', name: 'test_2', count: 1 },
    { n: 3, column: 'client', name: 'bci_2', count: 1 },
  ],
  in: [
    [0, 1, 1],
    [0, 2, 1],
  ],
  out: [[1, 3, 1]],
}

function after(...changes: PictureChange[]) {
  return changes.reduce(applied, NO_FLOW)
}

const nobody = new Set<string>()
const places = (view: ReturnType<typeof viewOf>) => ['publisher', 'topic', 'reader'].map((place) => view.boxes.filter((box) => box.place === place).length)
const sides = (view: ReturnType<typeof viewOf>) => ['in', 'out'].map((side) => view.links.filter((link) => link.side === side).length)

it('draws the tutorial as it is', () => {
  const view = viewOf(after(TUTORIAL, { millis: 1_003 }, { millis: 998 }), [], nobody, 12)
  expect(places(view)).toEqual([1, 2, 1])
  expect(sides(view)).toEqual([2, 1])
  expect(view.stubs.size).toBe(1)
  for (const link of view.links) expect(link.rate).toBe(1)
})

it('has two stubs when the subscriber has gone', () => {
  const view = viewOf(after(TUTORIAL, { millis: 1_000, gone: [3], out: [[1, 3, null]] }), [], nobody, 12)
  expect(places(view)).toEqual([1, 2, 0])
  expect(view.stubs.size).toBe(2)
})

it('draws a publisher that left no longer than its last message', () => {
  const left = new Set(['bci_1'])
  const silent: PictureChange = { millis: 1_000, in: [[0, 1, 0], [0, 2, 0]], out: [[1, 3, 0]] }
  expect(places(viewOf(after(TUTORIAL), [], left, 12))).toEqual([1, 2, 1])
  expect(places(viewOf(after(TUTORIAL, silent), [], left, 12))).toEqual([0, 0, 0])
  // One that is only silent is still there.
  expect(places(viewOf(after(TUTORIAL, silent), [], nobody, 12))).toEqual([1, 2, 1])
})

it('marks where messages were lost', () => {
  const loss = { id: 1, at: '', time_stamp: 0, reason: 'queue_full', count: 5, topic: 'test', clientid: 'bci_2', publisher: null, description: 'full', remedy: 'more' } satisfies Loss
  const view = viewOf(after(TUTORIAL), [{ ...loss, topic: null, description: 'gone' }, loss], nobody, 12)
  expect(view.boxes.find((box) => box.place === 'reader')?.loss?.reason).toBe('gone')
  expect(view.links.map((link) => [link.side, link.loss?.reason])).toEqual([
    ['in', undefined],
    ['in', undefined],
    ['out', 'full'],
  ])
  expect(viewOf(after(TUTORIAL), [{ ...loss, clientid: 'somebody else' }], nobody, 12).links.every((link) => link.loss === null)).toBe(true)
})

it('folds a column, and sums what its boxes have', () => {
  const many: PictureChange = {
    millis: 1_000,
    nodes: [
      { n: 100, column: 'topic', name: 'all', count: 1 },
      ...Array.from({ length: 30 }, (_, n) => ({ n, column: 'publisher' as const, name: `dev-${n}`, count: 1 })),
      { n: 200, column: 'group', name: '$share/g/all', count: 1 },
      { n: 201, column: 'client', name: '', count: 70, queued: 4 },
    ],
    in: Array.from({ length: 30 }, (_, n) => [n, 100, 10] as const),
    out: [
      [100, 200, 300],
      [100, 201, 21_000],
    ],
  }
  const view = viewOf(after(many), [], nobody, 12)
  expect(view.boxes.map((box) => [box.kind, box.name, box.count, box.rate])).toEqual([
    ['alike', 'dev-', 30, 300],
    ['one', 'all', 1, 300],
    ['others', '', 70, 21_000],
    ['one', '$share/g/all', 1, 300],
  ])
  expect(sides(view)).toEqual([1, 2])
})

it('lets nobody jump', () => {
  const names = (order: typeof NO_ORDER) => order.reader.map((key) => key.split(' ').at(-1))
  const reader = (n: number, name: string): PictureChange => ({ millis: 1_000, nodes: [{ n, column: 'client', name, count: 1 }], out: [[1, n, 1]] })
  let flow = after(TUTORIAL, reader(10, 'm'), reader(11, 'a'))
  let order = ordered(NO_ORDER, viewOf(flow, [], nobody, 12))
  expect(names(order)).toEqual(['a', 'bci_2', 'm'])
  // One more comes behind, and one that goes moves none past another.
  flow = applied(flow, reader(12, 'b'))
  order = ordered(order, viewOf(flow, [], nobody, 12))
  expect(names(order)).toEqual(['a', 'bci_2', 'm', 'b'])
  flow = applied(flow, { millis: 1_000, gone: [11] })
  order = ordered(order, viewOf(flow, [], nobody, 12))
  expect(names(order)).toEqual(['bci_2', 'm', 'b'])
})

it('places everything within its size, and draws curves from box to box', () => {
  const view = viewOf(after(TUTORIAL), [], nobody, 12)
  const size = { width: 1000, height: 240, boxWidth: 200, row: 40, stub: 60 }
  const layout = layoutOf(view, ordered(NO_ORDER, view), size)
  expect(layout.placed.map(({ x, y }) => [x, y])).toEqual([
    [0, 120],
    [400, 80],
    [400, 160],
    [800, 120],
  ])
  const [first] = layout.curves
  if (first === undefined) throw new Error('no curve')
  expect(pointOf(first, 0)).toEqual([200, 120])
  expect(pointOf(first, 1)).toEqual([400, 80])
  expect(layout.stubs.map(({ x0, y0, x1 }) => [x0, y0, x1])).toEqual([[600, 160, 660]])
})
