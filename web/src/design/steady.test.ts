import { expect, it } from 'vitest'

import { hold, release } from './steady'

const key = (row: string) => row.charAt(0)

it('moves nothing under the pointer', () => {
  const shown = release(['b1', 'a1', 'c1'])
  expect(hold(shown, ['a2', 'c2', 'd2'], key)).toEqual([
    { row: 'b1', gone: true },
    { row: 'a2', gone: false },
    { row: 'c2', gone: false },
    { row: 'd2', gone: false },
  ])
})

it('takes back what was gone', () => {
  const shown = [{ row: 'a1', gone: true }]
  expect(hold(shown, ['a2'], key)).toEqual([{ row: 'a2', gone: false }])
})
