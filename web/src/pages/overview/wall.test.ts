import { expect, it } from 'vitest'

import { keyOf, wallLink } from './wall'

it('finds in a link what was put into it', () => {
  const key = { key: '0a1b', secret: 'x_y-Z9' }
  const link = wallLink('http://10.0.0.5:18083', key)
  expect(link).toBe('http://10.0.0.5:18083/wall#0a1b.x_y-Z9')
  expect(keyOf(new URL(link).hash)).toEqual(key)
})

it('finds nothing where there is nothing', () => {
  for (const hash of ['', '#', '#0a1b', '#.x', '#0a1b.x.y', '#0a 1b.x']) expect(keyOf(hash), hash).toBeNull()
})
