// What the palette shows for what is typed. Settings and topics are asked for once, when it opens; clients
// for each word, once the fingers rest.
import { computed, onScopeDispose, ref, shallowRef, watch, type ComputedRef, type Ref } from 'vue'

import { best } from './match'
import { actions, clients, KINDS, pages, settings, topics, type Kind, type Target } from './target'

const REST_MS = 150

export interface Group {
  readonly kind: Kind
  readonly targets: readonly Target[]
}

export function usePalette(): { typed: Ref<string>; groups: ComputedRef<readonly Group[]>; failure: Ref<unknown> } {
  const typed = ref('')
  const failure = ref<unknown>(null)
  const known = shallowRef<readonly Target[]>([...pages(), ...actions()])
  const found = shallowRef<readonly Target[]>([])
  const closing = new AbortController()
  let asking = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined

  const failed = (error: unknown) => {
    if (!closing.signal.aborted) failure.value = error
  }
  for (const source of [settings, topics]) {
    source(closing.signal).then((more) => (known.value = [...known.value, ...more]), failed)
  }

  watch(typed, (text) => {
    clearTimeout(timer)
    asking.abort()
    found.value = []
    if (text.trim() === '') return
    timer = setTimeout(() => {
      const mine = (asking = new AbortController())
      clients(text.trim(), mine.signal).then(
        (targets) => (found.value = targets),
        (error: unknown) => {
          if (!mine.signal.aborted) failed(error)
        },
      )
    }, REST_MS)
  })
  onScopeDispose(() => {
    clearTimeout(timer)
    asking.abort()
    closing.abort()
  })

  const groups = computed(() => {
    const all = [...known.value, ...found.value]
    const text = typed.value.trim()
    // Before something is typed, only what there always is.
    const shown = text === '' ? all.filter(({ kind }) => kind === 'page' || kind === 'action') : all
    return KINDS.map(({ kind, most }) => ({ kind, targets: best(shown.filter((one) => one.kind === kind), text, text === '' ? 99 : most) })).filter((group) => group.targets.length > 0)
  })

  return { typed, groups, failure }
}
