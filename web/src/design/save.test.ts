import { expect, it } from 'vitest'

import { csv } from './save'

const columns = [{ key: 'a', title: 'A', text: (row: string) => row }]
const one = (text: string) => csv([text], columns).split('\r\n')[1]

it('writes cells that are no formulas', () => {
  for (const text of ['=1+1', '+1', '@x', '-x', '\t=1']) expect(one(text)?.replaceAll('"', '').startsWith("'")).toBe(true)
  expect(one('-5')).toBe('-5')
  expect(one('plain')).toBe('plain')
})

it('quotes what would end a cell', () => {
  expect(one('a,"b"')).toBe('"a,""b"""')
})
