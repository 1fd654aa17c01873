// A question that is asked again and again unless it is paused, and is told what it was answered before.
import { usePoll, type Poll } from './poll'

export function usePausable<T>(ask: (signal: AbortSignal, last: T | null) => Promise<T>, everyMs: number, paused: () => boolean = () => false): Poll<T> {
  let last: T | null = null
  return usePoll(async (signal): Promise<T> => {
    if (last === null || !paused()) last = await ask(signal, last)
    return last
  }, everyMs)
}
