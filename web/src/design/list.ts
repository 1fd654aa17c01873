// What every list page has in the address: what is searched for and where, the order, the page. And the
// list itself, asked for again and again unless it is paused.
import { computed, ref, watch, type ComputedRef, type Ref } from 'vue'

import type { EventName } from '@/app/feeds'
import { lang } from '@/words'

import { usePoll, type Poll } from './poll'
import { useQuery } from './query'

export interface Page<T> {
  readonly data: readonly T[]
  readonly meta: { readonly count?: number | null; readonly hasnext: boolean }
}

/** Rows of a page, and of a file that is saved. */
const LIMIT = 100
const SAVED_MAX = 10_000

export interface List<T, P extends Page<T>> {
  readonly poll: Poll<P>
  readonly rows: ComputedRef<readonly T[]>
  readonly order: ComputedRef<string>
  readonly page: ComputedRef<number>
  /** Rows of all pages, where that is known. */
  readonly total: ComputedRef<number | undefined>
  readonly paused: Ref<boolean>
  orderBy(order: string): void
  turn(page: number): void
  /** All rows of the search, for a file. */
  everything(): Promise<readonly T[]>
}

/** `search` is what is asked for; when it changes, the first page is shown. */
export function useList<S, T, P extends Page<T>>(
  search: ComputedRef<S>,
  ask: (search: S, page: number, limit: number, signal?: AbortSignal) => Promise<P & Page<T>>,
  when: number | EventName,
): List<T, P> {
  const order = useQuery('sort', '')
  const pageText = useQuery('page', '1')
  const page = computed({
    get: () => Math.max(1, Number(pageText.value) || 1),
    set: (n) => (pageText.value = String(n)),
  })
  const paused = ref(false)
  let last: P | null = null

  const poll: Poll<P> = usePoll(async (signal): Promise<P> => {
    if (paused.value && last) return last
    last = await ask(search.value, page.value, LIMIT, signal)
    return last
  }, when)

  watch([search, page, lang], () => {
    last = null
    poll.again()
  })
  watch(search, () => (page.value = 1))

  return {
    poll,
    order,
    page,
    paused,
    rows: computed(() => poll.data?.data ?? []),
    total: computed(() => poll.data?.meta.count ?? undefined),
    orderBy: (to) => (order.value = to),
    turn: (to) => (page.value = to),
    everything: async () => (await ask(search.value, 1, SAVED_MAX)).data,
  }
}

/** A list that the API gives whole: what `fits` is shown, all on one page. */
export function useWhole<T>(
  ask: (signal: AbortSignal) => Promise<readonly T[]>,
  fits: (row: T) => boolean,
  everyMs: number,
): List<T, Page<T>> {
  const order = useQuery('sort', '')
  const paused = ref(false)
  let last: Page<T> | null = null

  const poll = usePoll(async (signal): Promise<Page<T>> => {
    if (paused.value && last) return last
    last = { data: await ask(signal), meta: { hasnext: false } }
    return last
  }, everyMs)
  const rows = computed(() => (poll.data?.data ?? []).filter(fits))

  return {
    poll,
    order,
    page: computed(() => 1),
    total: computed(() => rows.value.length),
    paused,
    rows,
    orderBy: (to) => (order.value = to),
    turn: () => undefined,
    everything: async () => rows.value,
  }
}
