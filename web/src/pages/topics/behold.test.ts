import { expect, it } from 'vitest'

import { beheldAll } from './behold'
import type { Message } from './topic'

const message = (time_stamp: number, payload: string): Message => ({ at: '', publisher: 'p', time_stamp, qos: 0, retain: false, size: payload.length, payload_encoding: 'plain', payload })

it('knows a message again, and tells those of one moment apart', () => {
  const first = beheldAll([message(1, 'a'), message(1, 'b'), message(2, 'a')], [])
  const then = beheldAll([message(1, 'b'), message(2, 'a'), message(3, 'a')], first)
  expect(then.slice(0, 2)).toEqual(first.slice(1))
  expect(then[0]).toBe(first[1])
  expect(then[1]).toBe(first[2])
  expect(first).not.toContain(then[2])
  expect(new TextDecoder().decode(then[2]?.payload)).toBe('a')
})
