import { expect, it } from 'vitest'

import { reader } from './events'

it('puts together what came in pieces', () => {
  const take = reader()
  expect(take('event: fig')).toEqual([])
  expect(take('ures\ndata: [1]\n')).toEqual([])
  expect(take('\nevent: current\ndata: {}\n\nev')).toEqual([
    { event: 'figures', data: '[1]' },
    { event: 'current', data: '{}' },
  ])
  expect(take('ent: x\ndata: a\ndata: b\n\n')).toEqual([{ event: 'x', data: 'a\nb' }])
})

it('leaves out what only keeps the stream open', () => {
  expect(reader()(':\n\n')).toEqual([])
})
