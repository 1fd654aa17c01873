import { expect, it } from 'vitest'

import { ordered } from './ordered'

function place(...rows: string[]) {
  const kept = { rows }
  return { kept, list: ordered(() => Promise.resolve(kept.rows), (now) => Promise.resolve((kept.rows = now))) }
}

it('changes one row and keeps the others', async () => {
  const { kept, list } = place('a', 'b', 'c')
  await list.add('d')
  await list.replace(1, 'b', 'B')
  await list.replace(0, 'a', null)
  expect(kept.rows).toEqual(['B', 'c', 'd'])
  await list.move(1, 'c', -1)
  await list.move(1, 'B', 1)
  expect(kept.rows).toEqual(['c', 'd', 'B'])
  await list.move(0, 'c', -1)
  expect(kept.rows).toEqual(['c', 'd', 'B'])
})

it('changes no row that somebody else changed', async () => {
  const { kept, list } = place('a')
  await expect(list.replace(0, 'x', null)).rejects.toMatchObject({ code: 'CHANGED_MEANWHILE' })
  await expect(list.move(3, 'a', 1)).rejects.toMatchObject({ code: 'CHANGED_MEANWHILE' })
  expect(kept.rows).toEqual(['a'])
})
