// Asks again and again while somebody looks: not in a hidden tab, and at once when the broker is back.
// What came last stays, with its time, when a later question fails.
import { onScopeDispose, shallowReactive, watch } from 'vue'

import { link } from '@/app/link'

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

export function usePoll<T>(ask: (signal: AbortSignal) => Promise<T>, everyMs: number): Poll<T> {
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
    if (!document.hidden && link.isUp) timer = setTimeout(again, everyMs)
  }

  function again(): void {
    void once()
  }

  function seen(): void {
    if (!document.hidden) again()
  }

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
