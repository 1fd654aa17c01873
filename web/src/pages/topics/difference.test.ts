import { expect, it } from 'vitest'

import { difference } from './difference'

const bytes = (text: string) => new TextEncoder().encode(text)
const short = (before: string, after: string) => {
  const found = difference(bytes(before), bytes(after))
  return found && 'changes' in found ? found.changes.map((c) => [c.kind, c.place, c.before, c.after]) : found
}

it('compares trees by place', () => {
  expect(short('{"a":1,"b":[1,2],"c":{}}', '{"a":2,"b":[1,2,3],"d":"x"}')).toEqual([
    ['changed', '$.a', '1', '2'],
    ['added', '$.b[2]', '', '3'],
    ['added', '$.d', '', '"x"'],
    ['removed', '$.c', '{0}', ''],
  ])
  expect(short('{"a":{"b":1}}', '{"a":[1]}')).toEqual([['changed', '$.a', '{1}', '[1]']])
})

it('compares texts by line', () => {
  expect(short('21.5', '21.6')).toEqual([['changed', '', '21.5', '21.6']])
  expect(short('a\nb\nc', 'a\nx\nc')).toEqual([
    ['same', '', 'a', 'a'],
    ['removed', '', 'b', ''],
    ['added', '', '', 'x'],
    ['same', '', 'c', 'c'],
  ])
})

it('counts bytes where there is nothing else', () => {
  expect(difference(new Uint8Array([0, 255, 7]), new Uint8Array([0, 254, 7, 1]))).toEqual({ bytes: 2, first: 1 })
  // The same values, written otherwise.
  expect(difference(bytes('{"a":1}'), bytes('{"a": 1}'))).toMatchObject({ first: 5 })
})

it('is nothing for equal ones', () => {
  expect(difference(bytes('x'), bytes('x'))).toBeNull()
  expect(difference(new Uint8Array(), new Uint8Array())).toBeNull()
})
