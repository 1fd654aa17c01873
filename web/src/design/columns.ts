// Which columns of a list are shown: those of the address, else those that are shown by default.
import { computed, type ComputedRef, type WritableComputedRef } from 'vue'

import { useQuery } from './query'
import type { Column } from './table'

export interface Columns<R> {
  readonly all: ComputedRef<readonly Column<R>[]>
  readonly visible: WritableComputedRef<ReadonlySet<string>>
  readonly shown: ComputedRef<readonly Column<R>[]>
}

/** `columns` is a function, because its words follow the language. */
export function useColumns<R>(columns: () => readonly Column<R>[]): Columns<R> {
  const chosen = useQuery('columns', '')
  const all = computed(columns)
  const visible = computed({
    get: (): ReadonlySet<string> => new Set(chosen.value === '' ? all.value.filter((c) => !c.extra).map((c) => c.key) : chosen.value.split(',')),
    set: (keys) => (chosen.value = [...keys].join(',')),
  })
  return { all, visible, shown: computed(() => all.value.filter((column) => visible.value.has(column.key))) }
}
