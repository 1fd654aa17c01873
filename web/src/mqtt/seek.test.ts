import { expect, it } from 'vitest'

import type { Message } from './message'
import { seeker } from './seek'

const message = (topic: string, payload: string, isOut = false): Message => ({ number: 1, at: 0, isOut, topic, payload: new TextEncoder().encode(payload), qos: 0, retain: false, dup: false, properties: undefined })
const some = [message('a/b', 'Hello'), message('温度', '21'), message('a/c', 'x', true)]
const found = (wanted: Partial<Parameters<typeof seeker>[0]>) => some.filter(seeker({ text: '', direction: 'all', filter: '', ...wanted })).length

it('finds by topic, payload, direction and filter', () => {
  expect([found({}), found({ text: 'hELLO' }), found({ text: '温' }), found({ direction: 'out' }), found({ direction: 'in' }), found({ filter: 'a/+' }), found({ filter: 'a/+', direction: 'in' })]).toEqual([3, 1, 1, 1, 2, 2, 1])
})

it('looks at each once', () => {
  const seek = seeker({ text: 'x', direction: 'all', filter: '' })
  const one = { ...message('t', 'x') }
  expect(seek(one)).toBe(true)
  one.payload.fill(0)
  expect(seek(one)).toBe(true)
})
