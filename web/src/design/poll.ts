// Asks again while somebody looks: after a time, or when the live feed has something new of it; not in a
// hidden tab, and at once when the broker is back. What came last stays, with its time, when a later
// question fails.
import { onScopeDispose, shallowReactive, watch } from 'vue'

import type { EventName } from '@/app/feeds'
import { link } from '@/app/link'
import { useLive } from '@/app/live'

export interface Poll<T> {
  data: T | null
  /** Why the last question failed; null if it did not. */
  error: unknown
  /** The first answer has not come. */
  loading: boolean
  /** When `data` came. */
  at: number
  /** Asks now: what is asked for has changed, or something was done. */
  again(): void
}

/** `when` is a time in milliseconds, or the event of the live feed after which there is something new. */
export function usePoll<T>(ask: (signal: AbortSignal) => Promise<T>, when: number | EventName): Poll<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  let abort = new AbortController()

  const poll: Poll<T> = shallowReactive({ data: null, error: null, loading: true, at: 0, again }) as Poll<T>

  async function once(): Promise<void> {
    clearTimeout(timer)
    abort.abort()
    const mine = new AbortController()
    abort = mine
    try {
      const data = await ask(mine.signal)
      if (mine.signal.aborted) return
      poll.data = data
      poll.at = Date.now()
      poll.error = null
    } catch (error) {
      if (mine.signal.aborted) return
      poll.error = error
    }
    poll.loading = false
    // While the broker is gone, only whether it is back is asked; then this goes on.
    if (typeof when === 'number' && !document.hidden && link.isUp) timer = setTimeout(again, when)
  }

  function again(): void {
    void once()
  }

  function seen(): void {
    if (!document.hidden) again()
  }

  if (typeof when === 'string') useLive(when, again)
  document.addEventListener('visibilitychange', seen)
  watch(() => link.returns, again)
  onScopeDispose(() => {
    clearTimeout(timer)
    abort.abort()
    document.removeEventListener('visibilitychange', seen)
  })
  again()
  return poll
}
