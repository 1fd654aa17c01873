import { expect, it } from 'vitest'

import { keyOf, roomOf, wallLink } from './wall'

it('is read from afar on a wall, and leaves room for its picture on a phone', () => {
  expect(roomOf(1366, 768)).toEqual({ scale: 1.4, items: 2 })
  expect(roomOf(3840, 2160).scale).toBeCloseTo(3.94)
  expect(roomOf(360, 720)).toEqual({ scale: 1, items: 1 })
  expect(roomOf(720, 360)).toEqual({ scale: 1, items: 1 })
})

it('finds in a link what was put into it', () => {
  const key = { key: '0a1b', secret: 'x_y-Z9' }
  const link = wallLink('http://10.0.0.5:18083', key)
  expect(link).toBe('http://10.0.0.5:18083/wall#0a1b.x_y-Z9')
  expect(keyOf(new URL(link).hash)).toEqual(key)
})

it('finds nothing where there is nothing', () => {
  for (const hash of ['', '#', '#0a1b', '#.x', '#0a1b.x.y', '#0a 1b.x']) expect(keyOf(hash), hash).toBeNull()
})
