// The state of the topic explorer: what is open, what came of it, what just changed.
import { computed, onScopeDispose, ref, shallowRef, watch, type ComputedRef, type Ref, type WritableComputedRef } from 'vue'

import { showTopics, useLive } from '@/app/live'
import { usePoll } from '@/design/poll'
import { useQuery } from '@/design/query'

import { listRetained } from '../retained/retained'
import { indexed, withSilent } from './silent'
import { below, branchOf, type Branch } from './topic'
import { opened, parsed, rowsOf, settled, turned, written, type Shown, type Sort, type TopicRow } from './tree'

type Branches = ReadonlyMap<string | null, Branch>

export interface Explorer {
  readonly rows: ComputedRef<readonly TopicRow[]>
  readonly sort: WritableComputedRef<Sort>
  /** The chosen topic or branch; empty if none is. */
  readonly topic: WritableComputedRef<string>
  readonly paused: Ref<boolean>
  /** Somebody points at a row, so none moves. */
  readonly pointed: Ref<boolean>
  /** Something was counted, or is retained. */
  readonly isReady: ComputedRef<boolean>
  readonly error: ComputedRef<unknown>
  /** Retained messages that are not asked for, because there are so many. */
  readonly unasked: ComputedRef<number>
  /** Topics with a retained message, as far as they were asked for. */
  readonly retained: ComputedRef<readonly string[]>
  /** Whether a row just changed: turns between two marks, so that each change is a new one. */
  flash(row: TopicRow): 'even' | 'odd' | undefined
  turn(branch: string): void
  /** Opens the way to a topic and chooses it. */
  go(topic: string): void
  /** Asks anew for what is retained. */
  again(): void
}

/** Names of retained messages that are asked for, and how often: they change seldom. */
const SILENT_MAX = 1000
const SILENT_MS = 10_000

export function useExplorer(): Explorer {
  const openText = useQuery('open', '')
  const sort = useQuery<Sort>('sort', 'name')
  const topic = useQuery('topic', '')
  const open = computed(() => parsed(openText.value))
  const paused = ref(false)
  const pointed = ref(false)
  const branches = shallowRef<Branches | null>(null)
  const shown = shallowRef<Shown>(new Map())
  const tick = ref(0)
  let changed = new Map<string, number>()

  useLive('topics', (newest) => {
    if (!paused.value) take(new Map(newest.map((branch) => [branch.branch ?? null, branch])))
  })
  watch(open, (now) => showTopics(now, null), { immediate: true })
  onScopeDispose(() => showTopics([], null))

  const retained = usePoll((signal) => listRetained('', 1, SILENT_MAX, signal), SILENT_MS)
  const retainedTopics = computed(() => retained.data?.data.map((message) => message.topic) ?? [])
  const silent = computed(() => indexed(retainedTopics.value, open.value))

  function take(newest: Map<string | null, Branch>): void {
    const before = branches.value
    tick.value += 1
    changed = new Map()
    for (const [branch, { levels }] of newest) {
      const counts = new Map(before?.get(branch)?.levels.map((level) => [level.name, level.count]))
      if (counts.size === 0) continue
      for (const level of levels) if (counts.get(level.name) !== level.count) changed.set(below(branch, level.name), tick.value)
    }
    // What was opened a moment ago is not in it yet.
    for (const branch of open.value) {
      const known = before?.get(branch)
      if (known && !newest.has(branch)) newest.set(branch, known)
    }
    branches.value = newest
  }

  /** The feed tells it within a second; who opened it waits for it now. */
  async function fetched(branch: string): Promise<void> {
    const found = await branchOf(branch, AbortSignal.timeout(5_000)).catch(() => null)
    if (found && open.value.includes(branch)) branches.value = new Map(branches.value).set(branch, found)
  }

  function show(now: readonly string[]): void {
    for (const branch of now) if (!branches.value?.has(branch)) void fetched(branch)
    openText.value = written(now)
  }

  const whole = computed((): Branches => {
    const all = new Map<string | null, Branch>()
    for (const branch of [null, ...open.value]) {
      const known = branches.value?.get(branch) ?? { branch, levels: [], more: 0 }
      all.set(branch, withSilent(known, silent.value))
    }
    return all
  })
  watch(
    [whole, sort, pointed],
    ([all, by], [, before]) => (shown.value = settled(all, by, pointed.value && by === before ? shown.value : null)),
    { immediate: true },
  )
  const more = computed(() => new Map([...whole.value].map(([branch, { more: n }]) => [branch, n])))

  return {
    sort,
    topic,
    paused,
    pointed,
    rows: computed(() => rowsOf(shown.value, more.value, new Set(open.value))),
    isReady: computed(() => branches.value !== null && !retained.loading),
    error: computed(() => retained.error),
    unasked: computed(() => Math.max(0, (retained.data?.meta.count ?? 0) - SILENT_MAX)),
    retained: retainedTopics,
    flash: (row) => (changed.get(row.key) === tick.value ? (tick.value % 2 === 0 ? 'even' : 'odd') : undefined),
    turn: (branch) => show(turned(open.value, branch)),
    go: (to) => {
      show(opened(open.value, to))
      topic.value = to
    },
    again: retained.again,
  }
}
