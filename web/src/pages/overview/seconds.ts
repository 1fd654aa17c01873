// The last ten minutes, kept up to date: each second only what is new is asked for.
import { computed, shallowRef, type ComputedRef, type ShallowRef } from 'vue'

import { api, body } from '@/api'
import { usePoll, type Poll } from '@/design/poll'

import { joined, type Tick } from './rates'

export interface Seconds {
  readonly ticks: ShallowRef<readonly Tick[]>
  readonly poll: Poll<readonly Tick[]>
  readonly known: ComputedRef<boolean>
}

export function useSeconds(): Seconds {
  const ticks = shallowRef<readonly Tick[]>([])
  const poll = usePoll(async (signal) => {
    const after = ticks.value.at(-1)?.time_stamp ?? 0
    const fresh = await body(api.GET('/api/v5/monitor_seconds', { params: { query: { after } }, signal }))
    ticks.value = joined(ticks.value, fresh)
    return ticks.value
  }, 1_000)
  return { ticks, poll, known: computed(() => poll.data !== null) }
}
