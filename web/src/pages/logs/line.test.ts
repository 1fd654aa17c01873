import { expect, it } from 'vitest'

import { joined, LINES_MAX, type Line } from './line'

const line = (id: number): Line => ({ id, at: '', time_stamp: id, level: 'info', message: `line ${id}` })

it('puts new lines before those known, each once, within a bound', () => {
  const known = [line(2), line(1)]
  expect(joined(known, [])).toBe(known)
  expect(joined(known, [line(2)])).toBe(known)
  expect(joined(known, [line(4), line(3), line(2)]).map((one) => one.id)).toEqual([4, 3, 2, 1])
  const many = Array.from({ length: LINES_MAX }, (_, at) => line(LINES_MAX + 2 - at))
  expect(joined(known, many)).toHaveLength(LINES_MAX)
})
