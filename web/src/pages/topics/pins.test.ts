import { expect, it } from 'vitest'

import { EMPTY, grown, numberIn, parsed, titleOf, written } from './pins'
import type { Message } from './topic'

const bytes = (text: string) => new TextEncoder().encode(text)
const message = (at: number, payload: string): Message => ({ at: '', publisher: 'p', time_stamp: at, qos: 0, retain: false, size: payload.length, payload_encoding: 'plain', payload })

it('finds a number in a payload', () => {
  expect(numberIn(bytes('21.5'), [])).toBe(21.5)
  expect(numberIn(bytes(' -3e2\n'), [])).toBe(-300)
  expect(numberIn(bytes('{"a":[1,{"t":7}]}'), ['a', 1, 't'])).toBe(7)
  for (const other of ['on', '', '0x10', '{"a":1}']) expect(numberIn(bytes(other), []), other).toBeNull()
  expect(numberIn(bytes('21.5'), ['a'])).toBeNull()
})

it('grows by what is new, with a gap where there is no number', () => {
  const first = grown(EMPTY, [message(1000, '1'), message(2000, 'off')], [])
  expect(first).toEqual({ times: [1, 2], values: [1, null] })
  const then = grown(first, [message(1000, '1'), message(2000, 'off'), message(3000, '3')], [])
  expect(then).toEqual({ times: [1, 2, 3], values: [1, null, 3] })
  expect(grown(then, [message(3000, '3')], [])).toBe(then)
})

it('stands in the address', () => {
  const pins = [
    { topic: 'a,b/温', path: ['x y', 0] },
    { topic: 't', path: [] },
  ]
  expect(parsed(written(pins))).toEqual(pins)
  expect(parsed('')).toEqual([])
  expect(parsed('%5B1%5D,x')).toEqual([])
  expect(pins.map(titleOf)).toEqual(['a,b/温 $["x y"][0]', 't'])
})
