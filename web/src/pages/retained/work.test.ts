import { expect, it } from 'vitest'

import { eachOf, freshProgress } from './work'

const never = new AbortController().signal

it('keeps the order and counts', async () => {
  const progress = freshProgress()
  const all = Array.from({ length: 20 }, (_, n) => n)
  const doubled = await eachOf(all, (n) => new Promise<number>((done) => setTimeout(() => done(n * 2), (n * 7) % 5)), progress, never)
  expect(doubled).toEqual(all.map((n) => n * 2))
  expect(progress).toEqual({ done: 20, of: 20 })
  expect(await eachOf([], () => Promise.resolve(1), progress, never)).toEqual([])
})

it('ends with a failure, or when it is called off', async () => {
  const progress = freshProgress()
  await expect(eachOf([1, 2], () => Promise.reject(new Error('no')), progress, never)).rejects.toThrow('no')
  const off = new AbortController()
  off.abort()
  await expect(eachOf([1, 2], () => Promise.resolve(1), progress, off.signal)).rejects.toThrow()
  expect(progress.done).toBe(0)
})
