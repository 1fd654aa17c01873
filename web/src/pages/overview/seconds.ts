// The last ten minutes, kept up to date. They stay while other pages are shown, and what is missing of them
// is asked for when the page is seen again.
import { shallowRef, type ShallowRef } from 'vue'

import { api, body } from '@/api'
import { useLive } from '@/app/live'

import { joined, type Tick } from './rates'

const ticks = shallowRef<readonly Tick[]>([])

export interface Seconds {
  readonly ticks: ShallowRef<readonly Tick[]>
}

export function useSeconds(): Seconds {
  let isWhole = false
  useLive('figures', (fresh) => {
    ticks.value = joined(ticks.value, fresh)
    // The feed begins with the last seconds, so that there are figures at once; the chart can wait.
    if (!isWhole) void whole()
    isWhole = true
  })

  async function whole(): Promise<void> {
    const all = await body(api.GET('/api/v5/monitor_seconds', {})).catch(() => null)
    if (all === null) isWhole = false
    else ticks.value = joined(all, ticks.value)
  }
  return { ticks }
}
