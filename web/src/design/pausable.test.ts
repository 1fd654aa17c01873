import { expect, it, vi } from 'vitest'
import { effectScope } from 'vue'

import { usePausable } from './pausable'

it('asks once while it is paused, and tells what came before', async () => {
  vi.useFakeTimers()
  let paused = true
  const asked: (number | null)[] = []
  const scope = effectScope()
  const poll = scope.run(() =>
    usePausable<number>(
      (_signal, last) => {
        asked.push(last)
        return Promise.resolve((last ?? 0) + 1)
      },
      1_000,
      () => paused,
    ),
  )
  await vi.advanceTimersByTimeAsync(2_500)
  expect([asked, poll?.data, poll?.error]).toEqual([[null], 1, null])
  paused = false
  await vi.advanceTimersByTimeAsync(1_000)
  expect([asked, poll?.data]).toEqual([[null, 1], 2])
  scope.stop()
  vi.useRealTimers()
})
