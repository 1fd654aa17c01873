import { expect, it } from 'vitest'

import { useAction } from './action'

it('runs once at a time and keeps why it failed', async () => {
  let finish: () => void = () => undefined
  const given: number[] = []
  const { busy, failure, run } = useAction(async (n: number) => {
    given.push(n)
    await new Promise<void>((done) => (finish = done))
    if (n === 2) throw new Error('two')
  })
  const first = run(1)
  expect(busy.value).toBe(true)
  expect(await run(9)).toBe(false)
  finish()
  expect(await first).toBe(true)
  const second = run(2)
  finish()
  expect(await second).toBe(false)
  expect(failure.value).toEqual(new Error('two'))
  expect(busy.value).toBe(false)
  const third = run(3)
  expect(failure.value).toBeNull()
  finish()
  await third
  expect(given).toEqual([1, 2, 3])
})
