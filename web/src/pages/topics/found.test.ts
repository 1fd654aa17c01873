import { expect, it } from 'vitest'

import { withRetained } from './found'

it('puts together what is counted and what is retained', () => {
  const counted = { topics: [{ topic: 'lab/t10', rate: 3 }, { topic: 'lab/t2', rate: 1 }], more: 4 }
  const { topics, more } = withRetained(counted, ['Lab/T1', 'lab/t2', 'other'], 'LAB')
  expect(topics.map(({ key, rate, retained }) => [key, rate, retained])).toEqual([
    ['Lab/T1', 0, true],
    ['lab/t2', 1, true],
    ['lab/t10', 3, false],
  ])
  expect(more).toBe(4)
})
