// The flow picture kept up to date, but only while somebody sees it.
import { computed, ref, shallowRef, type ComputedRef, type Ref } from 'vue'

import { useLive } from '@/app/live'

import { applied, NO_FLOW, type Loss } from './model'
import { viewOf, type View } from './view'

/** A loss is shown for so long, and a client that left is not drawn any more. */
const LATELY_MS = 10_000
const LOSSES_MAX = 100

export interface LiveFlow {
  readonly view: ComputedRef<View>
  /** The first second has come. */
  readonly known: Ref<boolean>
  /** Grows with each second. */
  readonly seconds: Ref<number>
}

export function useFlow(seen: () => boolean, max: () => number): LiveFlow {
  const flow = shallowRef(NO_FLOW)
  const losses = shallowRef<readonly Loss[]>([])
  const left = new Map<string, number>()
  const known = ref(false)
  const seconds = ref(0)
  /** The broker's clock, not this machine's. */
  let brokerNow = 0

  useLive('figures', (ticks) => (brokerNow = ticks.at(-1)?.time_stamp ?? brokerNow), seen)
  useLive('losses', (rows) => (losses.value = lately([...rows, ...losses.value]).slice(0, LOSSES_MAX)), seen)
  useLive(
    'connections',
    (rows) => {
      for (const row of rows.toReversed()) {
        if (row.clientid === null || row.clientid === undefined) continue
        if (row.event === 'disconnected') left.set(row.clientid, row.time_stamp)
        else left.delete(row.clientid)
      }
    },
    seen,
  )
  useLive(
    'picture',
    (change) => {
      for (const [id, at] of left) if (at < brokerNow - 2 * LATELY_MS) left.delete(id)
      losses.value = lately(losses.value)
      flow.value = applied(flow.value, change)
      known.value = true
      seconds.value += 1
    },
    seen,
  )
  function lately(rows: readonly Loss[]): readonly Loss[] {
    return rows.filter((row) => row.time_stamp > brokerNow - LATELY_MS)
  }

  const view = computed(() => viewOf(flow.value, losses.value, new Set(left.keys()), max()))
  return { view, known, seconds }
}
