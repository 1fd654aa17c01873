// Something for each of many, some at a time, with how far it is.
import { reactive } from 'vue'

export interface Progress {
  done: number
  of: number
}

export function freshProgress(): Progress {
  return reactive({ done: 0, of: 0 })
}

const AT_ONCE = 6

/** In the order of `all`. It ends with the first failure, or when it is called off. */
export async function eachOf<T, R>(all: readonly T[], act: (one: T) => Promise<R>, progress: Progress, signal: AbortSignal): Promise<R[]> {
  progress.done = 0
  progress.of = all.length
  const results = new Array<R>(all.length)
  let next = 0
  const hand = async (): Promise<void> => {
    for (let at = next++; at < all.length; at = next++) {
      signal.throwIfAborted()
      results[at] = await act(all[at] as T)
      progress.done += 1
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, all.length) }, hand))
  return results
}
